//! A plain HTTP client, as scripts use it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use steno_models::{JobAccepted, JobId, JobStatus, Problem, ProblemCode, Status};
use ureq::http::Response;
use ureq::{Agent, Body, BodyReader, RequestBuilder};

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    base: String,
    /// The `Authorization` header of every request.
    authorization: Option<String>,
}

/// A complete response.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case, with values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Client {
    /// For a server at `base`, such as `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_secs(300)))
            .build();
        Self {
            agent: config.into(),
            base: base.to_owned(),
            authorization: None,
        }
    }

    /// The same with an API key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            authorization: Some(format!("Bearer {key}")),
            ..self.clone()
        }
    }

    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        }
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    /// `GET path` with headers.
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.authorized(self.agent.get(self.url(path)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(request.call().unwrap())
    }

    /// The events of `GET path`, after the one with the id `last` if there is one.
    pub fn events(&self, path: &str, last: Option<&str>) -> Events {
        let mut request = self.authorized(self.agent.get(self.url(path)));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.call().unwrap();
        assert_eq!(response.status(), 200);
        Events {
            lines: BufReader::new(response.into_body().into_reader()).lines(),
        }
    }

    /// `POST path` with a recording in the field `file` and further fields.
    pub fn post_form(&self, path: &str, file: &Path, fields: &[(&str, &str)]) -> Answer {
        let (content_type, body) = form(file, fields);
        self.post(path, &content_type, &body)
    }

    /// `DELETE path`.
    pub fn delete(&self, path: &str) -> Answer {
        Answer::read(
            self.authorized(self.agent.delete(self.url(path)))
                .call()
                .unwrap(),
        )
    }

    /// `POST path` with a body.
    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Answer {
        self.post_with(path, &[("content-type", content_type)], body)
    }

    /// `POST path` with headers and a body.
    pub fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = self.authorized(self.agent.post(self.url(path)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(request.send(body).unwrap())
    }

    /// Uploads a recording as the body of `POST /transcribe?query`.
    pub fn upload(&self, file: &Path, query: &str) -> Answer {
        let request = self.authorized(self.agent.post(self.url(&format!("/transcribe?{query}"))));
        let request = request.header("content-type", "application/octet-stream");
        Answer::read(request.send(File::open(file).unwrap()).unwrap())
    }

    /// Uploads a recording and requires a 202. A server whose disk is busy says that it is not ready: the upload is repeated then.
    pub fn submit(&self, file: &Path, query: &str) -> JobId {
        let key = JobId::random().to_string();
        crate::eventually("the upload is accepted", || {
            let answer = self.try_upload_as(Some(&key), file, query).unwrap();
            if answer.status == 503 && answer.problem().code == ProblemCode::NotReady {
                return None;
            }
            Some(answer.accepted().unwrap_or_else(|| {
                let text = answer.text();
                panic!("{} {text}", answer.status)
            }))
        })
    }

    /// `GET path`, or `None` without a response.
    pub fn try_get(&self, path: &str) -> Option<Answer> {
        Answer::try_read(
            self.authorized(self.agent.get(self.url(path)))
                .call()
                .ok()?,
        )
    }

    /// `DELETE path`, or `None` without a response.
    pub fn try_delete(&self, path: &str) -> Option<Answer> {
        Answer::try_read(
            self.authorized(self.agent.delete(self.url(path)))
                .call()
                .ok()?,
        )
    }

    /// [`Client::upload`], or `None` without a response.
    pub fn try_upload(&self, file: &Path, query: &str) -> Option<Answer> {
        self.try_upload_as(None, file, query)
    }

    /// The same with an `Idempotency-Key`.
    pub fn try_upload_as(&self, key: Option<&str>, file: &Path, query: &str) -> Option<Answer> {
        let request = self.authorized(self.agent.post(self.url(&format!("/transcribe?{query}"))));
        let mut request = request.header("content-type", "application/octet-stream");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        Answer::try_read(request.send(File::open(file).unwrap()).ok()?)
    }

    /// The current status of a job, without retrieving it.
    pub fn status(&self, job: JobId) -> JobStatus {
        self.status_after(job, 0)
    }

    /// Waits until the job has ended, without retrieving it.
    pub fn wait(&self, job: JobId) -> JobStatus {
        crate::eventually(&format!("job {job} ends"), || {
            Some(self.status_after(job, 30)).filter(|job| job.status.is_terminal())
        })
    }

    /// The text of a job that must complete.
    pub fn wait_for_text(&self, job: JobId) -> String {
        let ended = self.wait(job);
        assert_eq!(ended.status, Status::Completed, "{:?}", ended.error);
        ended.result.unwrap().text
    }

    fn status_after(&self, job: JobId, wait_s: u32) -> JobStatus {
        let answer = self.get(&format!("/transcribe/{job}?keep=true&wait={wait_s}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// A form with a recording in the field `file`, as a body with its content type.
pub fn form(file: &Path, fields: &[(&str, &str)]) -> (String, Vec<u8>) {
    let boundary = "-----------------------------steno";
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        body.extend_from_slice(part.as_bytes());
    }
    let head = "Content-Disposition: form-data; name=\"file\"; filename=\"recording\"";
    body.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
    body.extend_from_slice(&std::fs::read(file).unwrap());
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// Server-sent events as they arrive. Ends with the stream.
pub struct Events {
    lines: Lines<BufReader<BodyReader<'static>>>,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its name; empty without an `event:` line.
    pub name: String,
    /// Its id; empty if it has none.
    pub id: String,
    /// Its data, which must be JSON.
    pub data: Value,
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let mut event = Event {
            name: String::new(),
            id: String::new(),
            data: Value::Null,
        };
        loop {
            // A server that is killed ends the stream with an error.
            let line = self.lines.next()?.ok()?;
            match line.split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut event.name),
                Some(("id", id)) => id.clone_into(&mut event.id),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                None if line.is_empty() && !event.data.is_null() => return Some(event),
                // A comment, or the empty line after it.
                _ => {}
            }
        }
    }
}

impl Answer {
    fn read(response: Response<Body>) -> Self {
        Self::try_read(response).unwrap()
    }

    fn try_read(mut response: Response<Body>) -> Option<Self> {
        let headers = response.headers().iter();
        let headers = headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let body = response
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_vec()
            .ok()?;
        Some(Self {
            status: response.status().as_u16(),
            headers,
            body,
        })
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The accepted job, if any.
    pub fn accepted(&self) -> Option<JobId> {
        let accepted = || {
            serde_json::from_slice::<JobAccepted>(&self.body)
                .unwrap()
                .job_id
        };
        (self.status == 202).then(accepted)
    }

    /// The body as a problem with the status of the response.
    pub fn problem(&self) -> Problem {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.text()
        );
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, self.status);
        assert_eq!(
            Some(problem.request_id.as_str()),
            self.header("x-request-id")
        );
        problem
    }
}

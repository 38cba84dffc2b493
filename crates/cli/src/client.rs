//! Calls to the server. Every command that needs one goes through [`Client`].

mod error;

use std::io::{BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use steno_models::openai::ModelList;
use steno_models::{Format, JobAccepted, JobId, JobList, JobStatus, Problem, ProblemCode, Status};
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy, RequestBuilder, SendBody};
use uuid::Uuid;

pub(crate) use error::CallError;

use crate::sse::{self, Message};

/// Time to reach the server.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Seconds the server may hold back its answer while a job is running.
const WAIT_S: u64 = 30;
/// How long a server that went away may stay away before a waiting client gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// Least time between two looks at a job.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause that a server's `Retry-After` is given.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// Jobs of a list that the server sends at a time.
const LONGEST_PAGE: usize = 200;
/// Times an upload that was put off or broke off is tried again.
const UPLOAD_RETRIES: u32 = 5;

/// Speaks to one server.
pub(crate) struct Client {
    agent: Agent,
    base: String,
    /// The header that names the caller, if the server asks for keys.
    authorization: Option<String>,
    /// A server that never answered is more likely not there than restarting: the user wants to know at once.
    answered: AtomicBool,
}

impl Client {
    pub(crate) fn new(base: &str, api_key: Option<&str>) -> Self {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let local = ["://127.", "://localhost", "://[::1]"].iter().any(|host| base.contains(host));
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(if local { None } else { Proxy::try_from_env() })
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_LIMIT))
            .timeout_recv_response(Some(Duration::from_secs(WAIT_S) + PATIENCE))
            .build();
        Self {
            agent: config.into(),
            base: base.trim_end_matches('/').to_owned(),
            authorization: api_key.map(|key| format!("Bearer {key}")),
            answered: AtomicBool::new(false),
        }
    }

    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        }
    }

    /// Submits a recording of `length` bytes. `open` yields it from its start; it is called again if the server asks to
    /// come back later, or if a server that answered before breaks off. A key sees to it that it becomes one job.
    pub(crate) fn submit<R: Read>(
        &self,
        options: &[(&str, String)],
        length: u64,
        mut open: impl FnMut() -> std::io::Result<R>,
    ) -> anyhow::Result<JobAccepted> {
        let key = Uuid::new_v4().to_string();
        let mut tries = 0;
        loop {
            let mut request =
                self.authorized(self.agent.post(format!("{}/transcribe", self.base))).header("idempotency-key", &key);
            for (name, value) in options {
                request = request.query(*name, value);
            }
            let mut recording = open()?;
            let request = request.header("content-type", "application/octet-stream").header("content-length", length);
            let sent = request.send(SendBody::from_reader(&mut recording)).map_err(CallError::from);
            tries += 1;
            let pause = match &sent {
                Ok(response) => retry_after(response).filter(|_| response.status().as_u16() >= 429),
                Err(_) => Some(PAUSE).filter(|_| self.answered.load(Ordering::Relaxed)),
            };
            match (sent.and_then(read), pause) {
                (Err(_), Some(pause)) if tries <= UPLOAD_RETRIES => thread::sleep(pause),
                (answer, _) => {
                    let answer = answer?;
                    self.answered.store(true, Ordering::Relaxed);
                    return Ok(parse(&answer)?);
                }
            }
        }
    }

    /// The job as it is.
    pub(crate) fn status(&self, job: &JobId) -> Result<JobStatus, CallError> {
        // Without patience: who only looks wants to know at once.
        self.status_after(job, 0)
    }

    /// The job once it has ended. `on_change` sees it each time the server answers; often, if somebody `is_watching`.
    pub(crate) fn wait(
        &self,
        job: &JobId,
        is_watching: bool,
        mut on_change: impl FnMut(&JobStatus),
    ) -> Result<JobStatus, CallError> {
        let mut wait_s = 0;
        loop {
            let asked = Instant::now();
            let status = self.patiently(|| self.status_after(job, wait_s))?;
            on_change(&status);
            if status.status.is_terminal() {
                return Ok(status);
            }
            // Short waits keep the progress fresh; the server answers at once when the job ends, and when it stops.
            wait_s = if is_watching { 1 } else { WAIT_S };
            thread::sleep(LEAST_PAUSE.saturating_sub(asked.elapsed()));
        }
    }

    /// The result in a format, without retrieving it: the acknowledgement is a delete.
    pub(crate) fn result(&self, job: &JobId, format: Format) -> Result<Vec<u8>, CallError> {
        let path = format!("{}/transcribe/{job}?keep=true&format={}", self.base, format.as_str());
        self.patiently(|| read(self.authorized(self.agent.get(&path)).call()?))
    }

    /// Cancels, acknowledges or deletes.
    pub(crate) fn delete(&self, job: &JobId) -> Result<(), CallError> {
        let path = format!("{}/transcribe/{job}", self.base);
        self.patiently(|| read(self.authorized(self.agent.delete(&path)).call()?)).map(drop)
    }

    /// At most `limit` jobs, newest first.
    pub(crate) fn list(&self, status: Option<Status>, limit: usize) -> Result<Vec<JobStatus>, CallError> {
        let mut jobs = Vec::new();
        let mut cursor = None;
        while jobs.len() < limit {
            let page = (limit - jobs.len()).min(LONGEST_PAGE).to_string();
            let mut request =
                self.authorized(self.agent.get(format!("{}/transcribe", self.base))).query("limit", &page);
            if let Some(status) = status {
                request = request.query("status", status.as_str());
            }
            if let Some(cursor) = &cursor {
                request = request.query("cursor", cursor);
            }
            let list: JobList = parse(&read(request.call()?)?)?;
            jobs.extend(list.jobs);
            cursor = list.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(jobs)
    }

    /// Tells every event of a job, until one `is_last`. Comes back after a broken connection and is told the rest.
    pub(crate) fn follow(&self, job: &JobId, mut is_last: impl FnMut(Message) -> bool) -> Result<(), CallError> {
        let mut last_id = None::<String>;
        loop {
            let response = self.patiently(|| {
                let mut request = self.authorized(self.agent.get(format!("{}/transcribe/{job}/events", self.base)));
                if let Some(id) = &last_id {
                    request = request.header("last-event-id", id);
                }
                let response = request.call()?;
                if response.status().is_success() { Ok(response) } else { Err(refusal(response)) }
            })?;
            for message in sse::messages(BufReader::new(response.into_body().into_reader())) {
                last_id = Some(message.id.clone());
                if is_last(message) {
                    return Ok(());
                }
            }
            thread::sleep(LEAST_PAUSE);
        }
    }

    /// Whether the server is ready, and if not, why.
    pub(crate) fn check_ready(&self) -> Result<(), CallError> {
        read(self.authorized(self.agent.get(format!("{}/readyz", self.base))).call()?).map(drop)
    }

    /// Names of the weights a job may ask for, the default first.
    pub(crate) fn models(&self) -> Result<Vec<String>, CallError> {
        let list: ModelList =
            parse(&read(self.authorized(self.agent.get(format!("{}/v1/models", self.base))).call()?)?)?;
        Ok(list.data.into_iter().map(|model| model.id).collect())
    }

    fn status_after(&self, job: &JobId, wait_s: u64) -> Result<JobStatus, CallError> {
        let path = format!("{}/transcribe/{job}?keep=true&wait={wait_s}", self.base);
        parse(&read(self.authorized(self.agent.get(path)).call()?)?)
    }

    /// Calls until an answer comes: a server that answered before and restarts, or is too busy, is waited for; the job is safe
    /// with it.
    fn patiently<T>(&self, call: impl Fn() -> Result<T, CallError>) -> Result<T, CallError> {
        let began = Instant::now();
        loop {
            match call() {
                Err(CallError::Refused(problem)) if is_passing(&problem) && began.elapsed() < PATIENCE => {
                    thread::sleep(PAUSE);
                }
                Err(CallError::Unreachable(_))
                    if self.answered.load(Ordering::Relaxed) && began.elapsed() < PATIENCE =>
                {
                    thread::sleep(PAUSE);
                }
                Err(CallError::Unreachable(reason)) => return Err(CallError::Unreachable(reason)),
                outcome => {
                    self.answered.store(true, Ordering::Relaxed);
                    return outcome;
                }
            }
        }
    }
}

/// The body of an answer that says yes.
fn read(mut response: Response<Body>) -> Result<Vec<u8>, CallError> {
    if !response.status().is_success() {
        return Err(refusal(response));
    }
    Ok(response.body_mut().with_config().limit(u64::MAX).read_to_vec()?)
}

/// What an answer says that says no.
fn refusal(mut response: Response<Body>) -> CallError {
    let status = response.status().as_u16();
    match response.body_mut().read_to_vec() {
        Ok(body) => serde_json::from_slice(&body)
            .map_or(CallError::Foreign(status), |problem| CallError::Refused(Box::new(problem))),
        Err(error) => error.into(),
    }
}

/// Whether the same call may succeed in a moment.
fn is_passing(problem: &Problem) -> bool {
    matches!(problem.code, ProblemCode::NotReady | ProblemCode::QueueFull)
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(body).map_err(|_| CallError::Foreign(200))
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use super::*;

    /// Answers one connection after the other with the given answers, then ends.
    fn server(answers: Vec<String>) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let thread = thread::spawn(move || {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut buffer = [0; 4096];
                let mut request = String::new();
                while !request.contains("\r\n\r\n") {
                    let length = stream.read(&mut buffer).unwrap();
                    request.push_str(&String::from_utf8_lossy(&buffer[..length]));
                }
                stream.write_all(answer.as_bytes()).unwrap();
                requests.push(request);
            }
            requests
        });
        (base, thread)
    }

    fn answer(status: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
    }

    fn job_json(status: &str) -> String {
        let job = JobId::random();
        format!(
            r#"{{"job_id":"{job}","status":"{status}","progress":0,"created_at":"2026-01-01T00:00:00Z","attempts":1,
                "ttl_deadline":"2026-01-02T00:00:00Z","position":1}}"#
        )
    }

    #[test]
    fn an_upload_that_is_put_off_is_sent_again_whole() {
        let full = answer("503 Service Unavailable", "retry-after: 0\r\n", "{}");
        let (base, server) = server(vec![full, answer("202 Accepted", "", &job_json("pending"))]);
        let mut opened = 0;
        let accepted = Client::new(&base, None).submit(&[("prompt", "a b&c".to_owned())], 2, || {
            opened += 1;
            Ok(&b"hi"[..])
        });
        assert_eq!(accepted.unwrap().status, Status::Pending);
        assert_eq!(opened, 2);
        let requests = server.join().unwrap();
        assert!(
            requests[1].starts_with("POST /transcribe?prompt=a%20b%26c ") && requests[1].contains("content-length: 2")
        );
        let key =
            |request: &str| request.lines().find(|line| line.starts_with("idempotency-key: ")).map(ToOwned::to_owned);
        assert!(key(&requests[0]).is_some() && key(&requests[0]) == key(&requests[1]), "it stays one job");
    }

    #[test]
    fn a_job_is_waited_for_until_it_ends() {
        let answers = vec![answer("200 OK", "", &job_json("processing")), answer("200 OK", "", &job_json("failed"))];
        let (base, server) = server(answers);
        let mut seen = Vec::new();
        let ended = Client::new(&base, None).wait(&JobId::random(), true, |job| seen.push(job.status)).unwrap();
        assert_eq!((ended.status, seen), (Status::Failed, vec![Status::Processing, Status::Failed]));
        assert_eq!(server.join().unwrap().len(), 2);
    }

    #[test]
    fn a_stream_that_breaks_off_goes_on_where_it_was() {
        let event = |id: &str| format!("event: segment\nid: {id}\ndata: {{}}\n\n");
        let stream = |events: String| answer("200 OK", "content-type: text/event-stream\r\n", &events);
        let (base, server) = server(vec![stream(event("2-1")), stream(event("2-2"))]);
        let mut seen = Vec::new();
        let followed = Client::new(&base, None).follow(&JobId::random(), |message| {
            seen.push(message.id);
            seen.len() == 2
        });
        assert!(followed.is_ok());
        assert_eq!(seen, ["2-1", "2-2"]);
        assert!(server.join().unwrap()[1].contains("last-event-id: 2-1"));
    }

    #[test]
    fn a_server_that_is_not_ready_is_waited_for() {
        let problem =
            r#"{"type":"t","title":"t","status":503,"detail":"d","instance":"/","request_id":"1","code":"not_ready"}"#;
        let answers =
            vec![answer("503 Service Unavailable", "", problem), answer("200 OK", "", &job_json("completed"))];
        let (base, _server) = server(answers);
        assert_eq!(Client::new(&base, None).wait(&JobId::random(), true, |_| ()).unwrap().status, Status::Completed);
    }

    #[test]
    fn problems_are_shown_with_their_fields() {
        let problem = r#"{"type":"t","title":"t","status":422,"detail":"not valid: task","instance":"/","request_id":"1",
            "code":"invalid_options","errors":[{"pointer":"/task","detail":"wrong"}]}"#;
        let (base, _server) = server(vec![answer("422 Unprocessable Entity", "", problem)]);
        let shown = Client::new(&base, None).status(&JobId::random()).unwrap_err().to_string();
        assert_eq!(shown, "not valid: task (invalid_options)\n  /task: wrong");
    }

    #[test]
    fn a_server_that_answered_before_is_waited_for() {
        let (base, server) = server(vec![
            answer("200 OK", "", &job_json("processing")),
            String::new(),
            answer("200 OK", "", &job_json("completed")),
        ]);
        let ended = Client::new(&base, None).wait(&JobId::random(), true, |_| ()).unwrap();
        assert_eq!(ended.status, Status::Completed);
        assert_eq!(server.join().unwrap().len(), 3, "the connection that broke was made again");
    }

    #[test]
    fn a_server_that_never_answered_is_not_waited_for() {
        // A second call would succeed.
        let (base, _server) = server(vec![String::new(), answer("204 No Content", "", "")]);
        assert!(matches!(Client::new(&base, None).delete(&JobId::random()), Err(CallError::Unreachable(_))));
    }

    #[test]
    fn a_server_that_is_not_there_is_said_to_be_so() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let shown = Client::new(&base, None).status(&JobId::random()).unwrap_err().to_string();
        assert!(shown.starts_with("cannot reach the server"), "{shown}");
    }
}

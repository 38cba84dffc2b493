//! Calls to the server. Every command that needs one goes through [`Client`].

mod error;
mod form;

use std::io::{BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use steno_models::openai::ModelList;
use steno_models::{Format, JobAccepted, JobId, JobList, JobStatus, Status, WebAddress};
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy, RequestBuilder, SendBody};
use uuid::Uuid;

use self::error::is_gateway_error;
pub(crate) use self::error::{CallError, flag_of};
use self::form::{Form, with_options};

use crate::sse::{self, Message};

/// Time to reach the server.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Seconds the server may hold back its answer while a job is running.
const WAIT_S: u64 = 30;
/// How long a waiting client retries while the server is unreachable.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// Least time between two polls of a job.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause that a server's `Retry-After` is given.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// Jobs of a list that the server sends at a time.
const LONGEST_PAGE: usize = 200;
/// Length of a recording from which a broken connection may hide a refusal that the client has not read.
const LEAST_EXPECTED: u64 = 1 << 20;
/// How often an upload is repeated after a broken connection or a request to come back later.
const UPLOAD_RETRIES: u32 = 5;

/// Speaks to one server.
pub(crate) struct Client {
    agent: Agent,
    base: String,
    /// The header that names the caller, if the server asks for keys.
    authorization: Option<String>,
    /// Whether the server has answered before. One that never has is probably not running, so the first error is reported at once.
    answered: AtomicBool,
}

impl Client {
    pub(crate) fn new(base: &str, api_key: Option<&str>) -> Self {
        let base = &complete(base);
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let local = ["://127.", "://localhost", "://[::1]"]
            .iter()
            .any(|host| base.contains(host));
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(if local { None } else { Proxy::try_from_env() })
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_LIMIT))
            .timeout_recv_response(Some(Duration::from_secs(WAIT_S) + PATIENCE))
            .build();
        Self {
            agent: config.into(),
            base: base.clone(),
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
    /// come back later, or if the connection breaks. An `Idempotency-Key` ensures that repeats become one job.
    pub(crate) fn submit<R: Read>(
        &self,
        options: &[(&str, String)],
        length: u64,
        mut open: impl FnMut() -> std::io::Result<R>,
    ) -> anyhow::Result<JobAccepted> {
        let key = Uuid::new_v4().to_string();
        let form = Form::if_needed(options, &key);
        let mut tries = 0;
        // Why the connection broke off at the last try, if the recording is large.
        let mut broke = None;

        loop {
            let mut request = self
                .authorized(self.agent.post(format!("{}/transcribe", self.base)))
                .header("idempotency-key", &key);
            request = with_options(request, options, length, form.as_ref());
            if broke.is_some() {
                // The server or a proxy may have refused the recording and closed the connection before it was sent. Asked
                // like this, it answers first. Not at the first try: not all proxies answer it well (Caddy adds headers).
                request = request.header("expect", "100-continue");
            }
            let recording = open()?;
            let mut body: Box<dyn Read + '_> = match &form {
                Some(form) => form.around(recording),
                None => Box::new(recording),
            };
            let sent = request
                .send(SendBody::from_reader(&mut body))
                .map_err(CallError::from);
            tries += 1;

            let pause = self.pause_before_retry(&sent);
            match (sent.and_then(read), pause) {
                (Err(CallError::Unreachable(reason)), _)
                    if length >= LEAST_EXPECTED && broke.is_none() =>
                {
                    broke = Some(reason);
                }
                (Err(_), Some(pause)) if tries <= UPLOAD_RETRIES => {
                    broke = None;
                    thread::sleep(pause);
                }
                (answer, _) => {
                    let answer = answer.map_err(|error| match (error, broke) {
                        (CallError::Unreachable(_), Some(reason)) => CallError::Unreachable(reason),
                        (error, _) => error,
                    })?;
                    self.answered.store(true, Ordering::Relaxed);
                    return Ok(parse(&answer)?);
                }
            }
        }
    }

    /// How long to wait before an upload is sent again. `None` if the answer is final.
    fn pause_before_retry(&self, sent: &Result<Response<Body>, CallError>) -> Option<Duration> {
        let was_there = self.answered.load(Ordering::Relaxed);
        match sent {
            Ok(response) => {
                let status = response.status().as_u16();
                let is_away = is_gateway_error(status) && was_there;
                retry_after(response)
                    .filter(|_| status >= 429)
                    .or(is_away.then_some(PAUSE))
            }
            Err(_) => was_there.then_some(PAUSE),
        }
    }

    /// Submits a recording that the server fetches.
    pub(crate) fn submit_url(
        &self,
        options: &[(&str, String)],
        url: &WebAddress,
    ) -> anyhow::Result<JobAccepted> {
        let mut document: Map<String, Value> = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
            .collect();
        document.insert("url".to_owned(), url.as_str().into());
        let key = Uuid::new_v4().to_string();
        let document = Value::Object(document).to_string();
        let address = format!("{}/transcribe", self.base);

        let answer = self.patiently(|| {
            let request = self
                .authorized(self.agent.post(&address))
                .header("idempotency-key", &key)
                .header("content-type", "application/json");
            read(request.send(&document)?)
        })?;
        Ok(parse(&answer)?)
    }

    /// The job as it is.
    pub(crate) fn status(&self, job: &JobId) -> Result<JobStatus, CallError> {
        // No retries, because a person waits for the answer.
        self.status_after(job, 0)
    }

    /// The job once it has ended. `on_change` sees it each time the server answers; often, if a person `is_watching`.
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
        let path = format!(
            "{}/transcribe/{job}?keep=true&format={}",
            self.base,
            format.as_str()
        );
        self.patiently(|| read(self.authorized(self.agent.get(&path)).call()?))
    }

    /// Cancels, acknowledges or deletes.
    pub(crate) fn delete(&self, job: &JobId) -> Result<(), CallError> {
        let path = format!("{}/transcribe/{job}", self.base);
        self.patiently(|| read(self.authorized(self.agent.delete(&path)).call()?))
            .map(drop)
    }

    /// At most `limit` jobs, newest first.
    pub(crate) fn list(
        &self,
        status: Option<Status>,
        limit: usize,
    ) -> Result<Vec<JobStatus>, CallError> {
        let mut jobs = Vec::new();
        let mut cursor = None;
        while jobs.len() < limit {
            let page = (limit - jobs.len()).min(LONGEST_PAGE).to_string();
            let mut request = self
                .authorized(self.agent.get(format!("{}/transcribe", self.base)))
                .query("limit", &page);
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

    /// Reports every event of a job until one `is_last`. Reconnects after a broken connection and gets the remaining events.
    pub(crate) fn follow(
        &self,
        job: &JobId,
        mut is_last: impl FnMut(Message) -> bool,
    ) -> Result<(), CallError> {
        let mut last_id = None::<String>;
        loop {
            let response = self.patiently(|| {
                let mut request = self.authorized(
                    self.agent
                        .get(format!("{}/transcribe/{job}/events", self.base)),
                );
                if let Some(id) = &last_id {
                    request = request.header("last-event-id", id);
                }
                let response = request.call()?;
                if response.status().is_success() {
                    Ok(response)
                } else {
                    Err(CallError::refusal(response))
                }
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
        let ready = self.agent.get(format!("{}/readyz", self.base));
        read(self.authorized(ready).call()?).map(drop)
    }

    /// Whether a worker is registered; `None` where the server does not say.
    pub(crate) fn has_workers(&self) -> Option<bool> {
        let readiness = self.readiness()?;
        Some(!readiness.get("workers")?.as_array()?.is_empty())
    }

    /// Whether a courier is registered; `None` where the server does not say.
    pub(crate) fn has_couriers(&self) -> Option<bool> {
        Some(self.readiness()?.get("couriers")?.as_u64()? > 0)
    }

    /// What `/readyz` answers; `None` without an answer.
    pub(crate) fn readiness(&self) -> Option<Value> {
        let call = self.agent.get(format!("{}/readyz", self.base)).call();
        let answer = read(call.ok()?).ok()?;
        serde_json::from_slice(&answer).ok()
    }

    /// Names of the weights a job may ask for, the default first.
    pub(crate) fn models(&self) -> Result<Vec<String>, CallError> {
        let list: ModelList = parse(&read(
            self.authorized(self.agent.get(format!("{}/v1/models", self.base)))
                .call()?,
        )?)?;
        Ok(list.data.into_iter().map(|model| model.id).collect())
    }

    fn status_after(&self, job: &JobId, wait_s: u64) -> Result<JobStatus, CallError> {
        let path = format!("{}/transcribe/{job}?keep=true&wait={wait_s}", self.base);
        parse(&read(self.authorized(self.agent.get(path)).call()?)?)
    }

    /// Repeats a call until it is answered. Retries only if the server answered before and is restarting or too busy now; its jobs are
    /// safe meanwhile.
    fn patiently<T>(&self, call: impl Fn() -> Result<T, CallError>) -> Result<T, CallError> {
        let began = Instant::now();
        loop {
            let outcome = call();
            let is_passing = outcome.as_ref().is_err_and(CallError::is_passing);
            // From a server that never answered, a gateway error of a proxy is treated like a network error.
            let is_from_server = !matches!(
                outcome,
                Err(CallError::Unreachable(_) | CallError::Foreign(_))
            );
            let answered = is_from_server || self.answered.load(Ordering::Relaxed);
            match outcome {
                Err(_) if is_passing && answered && began.elapsed() < PATIENCE => {
                    thread::sleep(PAUSE);
                }
                outcome => {
                    self.answered
                        .store(answered || outcome.is_ok(), Ordering::Relaxed);
                    return outcome;
                }
            }
        }
    }
}

/// The address of a server without a slash at its end. `http://` may be left out.
fn complete(address: &str) -> String {
    let address = address.trim().trim_end_matches('/');
    if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{}", address.trim_start_matches('/'))
    }
}

/// The body of a successful answer.
fn read(mut response: Response<Body>) -> Result<Vec<u8>, CallError> {
    if !response.status().is_success() {
        return Err(CallError::refusal(response));
    }
    Ok(response
        .body_mut()
        .with_config()
        .limit(u64::MAX)
        .read_to_vec()?)
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(body).map_err(|_| CallError::unreadable())
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response
        .headers()
        .get("retry-after")?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests;

//! Downloads a recording: follows redirects, enforces limits, and continues a transfer that broke off.
//!
//! The bytes go to a [`Sink`] as they arrive. They are not inspected here, and `Content-Type` is not read.

mod error;
mod head;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue, IF_RANGE, RANGE};
use steno_models::WebAddress;
use tokio::time::{Instant, timeout_at};

pub use error::DownloadError;

use crate::outbound::{Answer, Outbound, OutboundError};
use head::Head;

/// Redirects that are followed at most. Each target is checked like the first address.
const MAX_REDIRECTS: usize = 5;
/// Consecutive broken transfers after which the download fails. Progress of [`NOTABLE_BYTES`] starts the count again.
const MAX_BROKEN: u32 = 5;
/// Progress that starts the count of broken transfers again.
const NOTABLE_BYTES: u64 = 1 << 20;
/// Longest time between two reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Limits of a download.
#[derive(Clone, Copy, Debug)]
pub struct DownloadLimits {
    /// Bytes of the recording.
    pub max_bytes: u64,
    /// The whole download, with its redirects and pauses.
    pub max_duration: Duration,
    /// From a request to the head of its answer.
    pub answer_timeout: Duration,
    /// Between two pieces of the body.
    pub read_timeout: Duration,
    /// Minimum average bytes per second since the body began, enforced after `slow_start`.
    pub min_rate: u64,
    /// Time that a transfer has to get up to speed.
    pub slow_start: Duration,
    /// Pause after the first broken transfer; doubles with each.
    pub pause: Duration,
}

/// Where the bytes go.
pub trait Sink {
    /// Appends bytes.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Drops all bytes so far: the recording is sent again from its start.
    fn restart(&mut self) -> io::Result<()>;
    /// Takes note of the recording whose first byte comes next: its size and its validator (`ETag` or date), as far as the server
    /// sends them. False stops the download.
    fn announce(&mut self, total: Option<u64>, validator: Option<&HeaderValue>) -> bool;
    /// Takes note of the bytes received and of all that are announced, about once a second. False stops the download.
    fn report(&mut self, received: u64, total: Option<u64>) -> bool;
}

/// The beginning of a recording that is there already.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// Its bytes.
    pub bytes: u64,
    /// Size of the whole recording, if it was announced.
    pub total: Option<u64>,
    /// The `ETag` or date that the server gave it.
    pub validator: HeaderValue,
}

/// A finished download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Size of the recording.
    pub bytes: u64,
    /// Transfers that broke off and were continued or begun again.
    pub broken: u32,
}

/// A download in progress.
pub struct Download<'a> {
    outbound: &'a Outbound,
    limits: DownloadLimits,
    sink: &'a mut (dyn Sink + Send),
    end: Instant,
    received: u64,
    total: Option<u64>,
    /// The `ETag` or date of the received bytes. With it the server decides whether the remainder belongs to them.
    validator: Option<HeaderValue>,
}

impl<'a> Download<'a> {
    /// Prepares a download; its time begins now.
    pub fn new(
        outbound: &'a Outbound,
        limits: DownloadLimits,
        sink: &'a mut (dyn Sink + Send),
    ) -> Self {
        Self {
            outbound,
            limits,
            sink,
            end: Instant::now() + limits.max_duration,
            received: 0,
            total: None,
            validator: None,
        }
    }

    /// Continues after the bytes that an earlier process has received. The sink has them.
    #[must_use]
    pub fn behind(mut self, beginning: Beginning) -> Self {
        self.received = beginning.bytes;
        self.total = beginning.total;
        self.validator = Some(beginning.validator);
        self
    }

    /// Fetches the recording at `address`.
    pub async fn run(mut self, address: &WebAddress) -> Result<Downloaded, DownloadError> {
        if self.total.is_some_and(|total| total == self.received) {
            // The earlier process ended between the last byte and the store.
            let bytes = self.received;
            return Ok(Downloaded { bytes, broken: 0 });
        }
        let mut broken = 0;
        let mut broken_in_a_row = 0;
        let mut most = 0;
        loop {
            let error = match self.transfer(address).await {
                Ok(()) => {
                    let bytes = self.received;
                    return Ok(Downloaded { bytes, broken });
                }
                Err(error) => error,
            };
            broken += 1;
            broken_in_a_row += 1;
            if self.received >= most + NOTABLE_BYTES {
                broken_in_a_row = 1;
            }
            most = most.max(self.received);
            if !error.is_worth_another_transfer() || broken_in_a_row >= MAX_BROKEN {
                return Err(error);
            }

            let over = Instant::now() + self.limits.pause * 2_u32.pow(broken_in_a_row - 1);
            if over >= self.end {
                return Err(error);
            }
            self.pause_until(over).await?;
        }
    }

    async fn pause_until(&mut self, over: Instant) -> Result<(), DownloadError> {
        while Instant::now() < over {
            self.report()?;
            tokio::time::sleep_until(over.min(Instant::now() + REPORT_INTERVAL)).await;
        }
        Ok(())
    }

    /// One request for what is missing, from the client's address on: where it redirects to may change.
    async fn transfer(&mut self, address: &WebAddress) -> Result<(), DownloadError> {
        let (answer, head) = self.follow_redirects(address).await?;
        if !head.is_partial {
            self.begin_again()?;
            self.total = head.total;
            self.validator = head.validator;
            if !self.sink.announce(self.total, self.validator.as_ref()) {
                return Err(DownloadError::Stopped);
            }
        } else if head.start != self.received
            || head.total.is_none_or(|total| Some(total) != self.total)
        {
            // Not the remainder of what is here.
            self.begin_again()?;
            return Err(DownloadError::InvalidRange);
        }
        if self
            .total
            .is_some_and(|total| total > self.limits.max_bytes)
        {
            return Err(DownloadError::TooLarge);
        }

        self.receive(answer).await?;

        if self.received == 0 {
            return Err(DownloadError::Empty);
        }
        if self.total.is_some_and(|total| total != self.received) {
            return Err(OutboundError::CutShort.into());
        }
        Ok(())
    }

    async fn follow_redirects(
        &mut self,
        address: &WebAddress,
    ) -> Result<(Answer, Head), DownloadError> {
        let mut address = address.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.report()?;
            let deadline = self.end.min(Instant::now() + self.limits.answer_timeout);
            let answer = self
                .outbound
                .send(&address, self.request(), deadline)
                .await?;
            let response = &answer.response;
            match head::read(response.status(), response.headers(), self.received > 0)? {
                head::Meaning::Body(head) => return Ok((answer, head)),
                head::Meaning::Redirect(location) => {
                    let next = address.join(&location);
                    address = next.map_err(DownloadError::InvalidRedirect)?;
                }
                head::Meaning::NothingMore => {
                    self.begin_again()?;
                    return Err(DownloadError::InvalidRange);
                }
            }
        }
        Err(DownloadError::TooManyRedirects)
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::default());
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // Without a validator, the remainder might be one of another recording.
        if let Some(validator) = self.validator.as_ref().filter(|_| self.received > 0) {
            let range = HeaderValue::from_str(&format!("bytes={}-", self.received));
            headers.insert(RANGE, range.expect("digits are a header's value"));
            headers.insert(IF_RANGE, validator.clone());
        }
        request
    }

    async fn receive(&mut self, mut answer: Answer) -> Result<(), DownloadError> {
        let began = Instant::now();
        let before = self.received;
        let mut heard = began;
        let mut reported = began;
        loop {
            let limit = self.end.min(heard + self.limits.read_timeout);
            let wake = limit.min(Instant::now() + REPORT_INTERVAL);
            let frame = timeout_at(wake, answer.response.body_mut().frame()).await;
            let now = Instant::now();
            match frame {
                Ok(None) => break,
                Ok(Some(Err(error))) => return Err(OutboundError::from_hyper(error).into()),
                Ok(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        heard = now;
                        self.take(&bytes)?;
                    }
                }
                Err(_) if now >= self.end => return Err(DownloadError::TimedOut),
                Err(_) if now >= limit => return Err(OutboundError::TimedOut.into()),
                Err(_) => {}
            }
            if now >= self.end {
                return Err(DownloadError::TimedOut);
            }
            self.check_rate(now - began, self.received - before)?;
            if now - reported >= REPORT_INTERVAL {
                reported = now;
                self.report()?;
            }
        }

        self.report()
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        if self.received + bytes.len() as u64 > self.limits.max_bytes {
            return Err(DownloadError::TooLarge);
        }
        self.sink.append(bytes).map_err(DownloadError::Sink)?;
        self.received += bytes.len() as u64;
        Ok(())
    }

    fn check_rate(&self, elapsed: Duration, bytes: u64) -> Result<(), DownloadError> {
        let enough = self.limits.min_rate as f64 * elapsed.as_secs_f64();
        if elapsed > self.limits.slow_start && (bytes as f64) < enough {
            return Err(DownloadError::TooSlow);
        }
        Ok(())
    }

    fn begin_again(&mut self) -> Result<(), DownloadError> {
        if self.received > 0 {
            self.sink.restart().map_err(DownloadError::Sink)?;
        }
        self.received = 0;
        self.total = None;
        self.validator = None;
        Ok(())
    }

    fn report(&mut self) -> Result<(), DownloadError> {
        if self.sink.report(self.received, self.total) {
            Ok(())
        } else {
            Err(DownloadError::Stopped)
        }
    }
}

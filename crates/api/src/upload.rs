//! Receiving a recording: from the connection to a file, one bounded buffer at a time.

mod form_memory;
mod json;
mod multipart;
mod pace;
mod raw;
mod reservation;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::BytesMut;
use steno_models::{JobId, ProblemCode};
use steno_store::{AudioUpload, StoredAudio};

pub(crate) use form_memory::FormMemory;
pub(crate) use json::receive_json;
#[cfg(test)]
pub(crate) use multipart::Limit;
pub(crate) use multipart::{FieldValue, Form, receive_multipart};
pub(crate) use raw::receive_raw;

use pace::Pace;
use reservation::Reservation;

use crate::auth::Owner;
use crate::problem::ApiError;
use crate::state::ApiState;

/// Bytes gathered before they are written: fewer trips to a blocking thread, still little memory for each upload.
const BUFFER_BYTES: usize = 256 * 1024;
/// What a multipart body may have on top of its recording: other fields, recordings of known speakers, boundaries, headers.
const MULTIPART_OVERHEAD_BYTES: u64 = 5 * 1024 * 1024;

/// The head of a WAV file of 16-bit mono samples at 16 kHz that goes on to the end of the file.
const WAV_OF_UNKNOWN_LENGTH: [u8; 44] =
    *b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\xff\xff\xff\xff";

/// How a recording arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// One field of a form among option fields.
    Multipart,
    /// The body is the recording.
    Raw,
    /// There is no recording: the body is JSON with its address and the options.
    Json,
}

/// What an endpoint takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// Names of the form field that is the recording.
    pub(crate) fields: &'static [&'static str],
    /// Whether the whole body may be the recording.
    pub(crate) takes_raw: bool,
    /// Whether the recording's address may be sent instead.
    pub(crate) takes_url: bool,
    /// What to send, for a client that sent something else.
    pub(crate) advice: &'static str,
    /// Whether it is bare samples, 16-bit mono at 16 kHz, which are stored as a WAV file.
    pub(crate) is_bare: bool,
    /// How much of it is kept.
    pub(crate) kept_bytes: u64,
}

/// Reads from the head of a request how the recording arrives, and refuses what is not accepted.
pub(crate) fn body_of(
    request: &HttpRequest,
    expected: &Expected,
    max_bytes: u64,
) -> Result<Body, ApiError> {
    let headers = request.headers();
    refuse_encoded(headers)?;

    let essence = essence(headers);
    let body = if essence == "multipart/form-data" {
        Body::Multipart
    } else if expected.takes_raw && is_recording(&essence) {
        Body::Raw
    } else if expected.takes_url && essence == "application/json" {
        Body::Json
    } else {
        return Err(ApiError::new(
            ProblemCode::UnsupportedMediaType,
            expected.advice,
        ));
    };

    let overhead = match body {
        Body::Multipart => MULTIPART_OVERHEAD_BYTES,
        Body::Raw | Body::Json => 0,
    };
    if announced_bytes(request) > max_bytes.saturating_add(overhead) {
        return Err(too_large(max_bytes));
    }
    Ok(body)
}

/// The length of the body as the client has announced it; 0 if it has not.
pub(crate) fn announced_bytes(request: &HttpRequest) -> u64 {
    let length = request.headers().get(header::CONTENT_LENGTH);
    length
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(0)
}

fn refuse_encoded(headers: &HeaderMap) -> Result<(), ApiError> {
    let codings = headers
        .get_all(header::CONTENT_ENCODING)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    for coding in codings {
        if !coding.trim().eq_ignore_ascii_case("identity") {
            let detail =
                "send the recording without Content-Encoding; audio formats are compressed already";
            return Err(ApiError::new(ProblemCode::UnsupportedMediaType, detail));
        }
    }
    Ok(())
}

/// The media type of the body, without parameters.
fn essence(headers: &HeaderMap) -> String {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// Whether a body of that type is a recording.
fn is_recording(essence: &str) -> bool {
    essence.starts_with("audio/")
        || essence.starts_with("video/")
        || matches!(
            essence,
            "application/octet-stream" | "application/ogg" | "binary/octet-stream"
        )
}

/// An upload in progress. Dropped before [`Upload::finish`], it leaves no file.
pub(crate) struct Upload<'a> {
    state: &'a ApiState,
    /// `None` only while it is on a blocking thread.
    file: Option<AudioUpload>,
    buffer: BytesMut,
    received: u64,
    /// Whether bytes were written.
    has_begun: bool,
    reservation: Reservation,
    pace: Pace,
    expected: Expected,
}

impl<'a> Upload<'a> {
    pub(crate) async fn begin(state: &'a ApiState, expected: Expected) -> Result<Self, ApiError> {
        let reserve = state.config.disk_reserve_bytes;
        let file = state
            .call_store(move |store| store.files().begin_upload(JobId::random(), reserve))
            .await?;
        Ok(Self {
            reservation: Reservation::none(state, file.job_id()),
            state,
            file: Some(file),
            buffer: BytesMut::new(),
            received: 0,
            has_begun: false,
            pace: Pace::new(&state.config),
            expected,
        })
    }

    /// Counts the upload against the quota of its owner.
    pub(crate) async fn count_against(
        &mut self,
        owner: Owner,
        announced: u64,
    ) -> Result<(), ApiError> {
        self.reservation.begin(self.state, owner, announced).await
    }

    /// Counts bytes of the body, whatever part they belong to.
    fn note(&mut self, bytes: usize) -> Result<(), ApiError> {
        let max_bytes = self.state.config.max_upload_bytes;
        if self.pace.note(bytes)? > max_bytes.saturating_add(MULTIPART_OVERHEAD_BYTES) {
            return Err(too_large(max_bytes));
        }
        Ok(())
    }

    /// Takes a chunk; writes when enough has come together.
    async fn take(&mut self, chunk: &[u8]) -> Result<(), ApiError> {
        let before = self.received;
        self.received += chunk.len() as u64;
        let max_bytes = self.state.config.max_upload_bytes;
        if self.received > max_bytes {
            return Err(too_large(max_bytes));
        }

        let kept = self
            .expected
            .kept_bytes
            .saturating_sub(before)
            .min(chunk.len() as u64) as usize;
        self.buffer.extend_from_slice(&chunk[..kept]);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush().await
        } else {
            Ok(())
        }
    }

    /// Puts the head of a WAV file before bare samples. What is a WAV file already stays as it is. Called before the first
    /// bytes are written, when all of the first four have come: a chunk may have fewer.
    fn add_missing_head(&mut self) {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if is_first && self.expected.is_bare && !self.buffer.starts_with(b"RIFF") {
            let samples = self.buffer.split();
            self.buffer.extend_from_slice(&WAV_OF_UNKNOWN_LENGTH);
            self.buffer.extend_from_slice(&samples);
        }
    }

    async fn flush(&mut self) -> Result<(), ApiError> {
        self.reservation.cover(self.state, self.received).await?;
        let Some(mut file) = self.file.take() else {
            return Err(ApiError::stopping());
        };
        self.add_missing_head();
        let bytes = self.buffer.split();
        let file = self.state.run_blocking(move || {
            file.write(&bytes)?;
            Ok(file)
        });
        self.file = Some(file.await?);
        Ok(())
    }

    /// Makes the recording durable. Its reservation is kept until it is a job.
    pub(crate) async fn finish(mut self) -> Result<(StoredAudio, Reservation), ApiError> {
        self.flush().await?;
        let Some(file) = self.file.take() else {
            return Err(ApiError::stopping());
        };
        let stored = self.state.run_blocking(move || file.store()).await?;
        Ok((stored, self.reservation))
    }
}

fn too_large(max_bytes: u64) -> ApiError {
    let detail = format!("a recording may have at most {max_bytes} bytes (STENO_MAX_UPLOAD_BYTES)");
    ApiError::new(ProblemCode::UploadTooLarge, detail)
}

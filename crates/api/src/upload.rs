//! Receiving a recording: from the connection to a file, one bounded buffer at a time.

mod multipart;
mod pace;
mod raw;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::BytesMut;
use steno_models::{JobId, ProblemCode};
use steno_store::{Accepted, AudioUpload, EarlierJob, NewJob, StoreError, StoredAudio, Submission};

pub(crate) use multipart::{FieldValue, Form, receive_multipart};
pub(crate) use raw::receive_raw;

use pace::Pace;

use crate::auth::Owner;
use crate::problem::{ApiError, RETRY_FULL_S};
use crate::state::ApiState;

/// Bytes gathered before they are written: fewer trips to a blocking thread, still little memory for each upload.
const BUFFER_BYTES: usize = 256 * 1024;
/// What a multipart body may have on top of its recording: other fields, boundaries, headers.
const MULTIPART_OVERHEAD_BYTES: u64 = 1024 * 1024;

/// The head of a WAV file of 16-bit mono samples at 16 kHz that goes on to the end of the file.
const WAV_OF_UNKNOWN_LENGTH: [u8; 44] =
    *b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\xff\xff\xff\xff";

/// How a recording arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// One field `file` among option fields.
    Multipart,
    /// The body is the recording.
    Raw,
}

/// Tells how the recording arrives, and refuses what is not accepted before a byte of it is read.
pub(crate) fn body_of(request: &HttpRequest, max_bytes: u64) -> Result<Body, ApiError> {
    let headers = request.headers();
    let encodings = headers
        .get_all(header::CONTENT_ENCODING)
        .filter_map(|value| value.to_str().ok());
    if encodings
        .flat_map(|value| value.split(','))
        .any(|coding| !coding.trim().eq_ignore_ascii_case("identity"))
    {
        let detail =
            "send the recording without Content-Encoding; audio formats are compressed already";
        return Err(ApiError::new(ProblemCode::UnsupportedMediaType, detail));
    }
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let body = if essence == "multipart/form-data" {
        Body::Multipart
    } else if is_recording(&essence) {
        Body::Raw
    } else {
        let detail = "send multipart/form-data with a field file (curl -F file=@recording.wav), or the recording as \
                      the body with Content-Type audio/*, video/* or application/octet-stream";
        return Err(ApiError::new(ProblemCode::UnsupportedMediaType, detail));
    };
    let overhead = if body == Body::Multipart {
        MULTIPART_OVERHEAD_BYTES
    } else {
        0
    };
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > max_bytes.saturating_add(overhead)) {
        return Err(too_large(max_bytes));
    }
    Ok(body)
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
    pace: Pace,
    form: Expected,
}

/// What a form brings the recording as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// Names of the field that is the recording.
    pub(crate) fields: &'static [&'static str],
    /// Whether it is bare samples, 16-bit mono at 16 kHz, which are stored as a WAV file.
    pub(crate) is_bare: bool,
    /// How much of it is kept.
    pub(crate) kept_bytes: u64,
}

impl Default for Expected {
    fn default() -> Self {
        Self {
            fields: &["file"],
            is_bare: false,
            kept_bytes: u64::MAX,
        }
    }
}

impl<'a> Upload<'a> {
    pub(crate) async fn begin(state: &'a ApiState) -> Result<Self, ApiError> {
        let file = state
            .call_store(|store| AudioUpload::create(store.data(), JobId::random()))
            .await?;
        Ok(Self {
            state,
            file: Some(file),
            buffer: BytesMut::new(),
            received: 0,
            pace: Pace::new(&state.config),
            form: Expected::default(),
        })
    }

    /// Takes the recording of a form as another service's clients send it.
    pub(crate) fn expecting(self, form: Expected) -> Self {
        Self { form, ..self }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.received == 0
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
        if self.form.is_bare && before == 0 && !chunk.starts_with(b"RIFF") {
            self.buffer.extend_from_slice(&WAV_OF_UNKNOWN_LENGTH);
        }
        let kept = self
            .form
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

    async fn flush(&mut self) -> Result<(), ApiError> {
        let Some(mut file) = self.file.take() else {
            return Err(ApiError::stopping());
        };
        let bytes = self.buffer.split();
        let reserve = self.state.config.disk_reserve_bytes;
        let file = self.state.call_store(move |store| {
            if store.data().free_bytes()? < reserve {
                return Err(disk_full(store.data().audio()));
            }
            file.write(&bytes)?;
            Ok(file)
        });
        self.file = Some(file.await?);
        Ok(())
    }

    /// Makes the recording durable.
    pub(crate) async fn finish(mut self) -> Result<StoredAudio, ApiError> {
        self.flush().await?;
        let Some(file) = self.file.take() else {
            return Err(ApiError::stopping());
        };
        self.state.call_store(move |_| file.store()).await
    }
}

/// Refuses before the upload what could not be kept after it. What may turn out to be a job that is there already needs room on the
/// disk alone.
pub(crate) async fn check_room(
    state: &ApiState,
    owner: &Owner,
    earlier: EarlierJob,
) -> Result<(), ApiError> {
    let (mark, quota) = (owner.mark().to_owned(), owner.quota());
    let (may_be_there, within_quota, pending, free) = state
        .call_store(move |store| {
            let may_be_there = store.may_have_earlier(&mark, &earlier)?;
            let within_quota = store.check_quota(&mark, quota, 1)?;
            Ok((
                may_be_there,
                within_quota,
                store.count_pending_jobs()?,
                store.data().free_bytes()?,
            ))
        })
        .await?;
    if !may_be_there {
        within_quota
            .into_result()
            .map_err(ApiError::quota_exceeded)?;
    }
    if !may_be_there && pending >= state.config.max_pending_jobs {
        return Err(queue_full(pending));
    }
    if free < state.config.disk_reserve_bytes {
        let detail = "the server's disk is nearly full; try again later";
        return Err(ApiError::new(ProblemCode::DiskReserve, detail).retry_after(RETRY_FULL_S));
    }
    Ok(())
}

/// Makes a stored recording a job, or finds the job it is already.
pub(crate) async fn submit(state: &ApiState, job: NewJob) -> Result<Accepted, ApiError> {
    let now = state.now();
    match state
        .call_store(move |store| store.submit_job(now, job))
        .await?
    {
        Submission::Accepted(accepted) => {
            let (job_id, verb) = (
                accepted.job_id,
                if accepted.is_new { "accepted" } else { "found" },
            );
            tracing::info!(job.id = %job_id, "{verb} job {job_id}");
            Ok(accepted)
        }
        Submission::KeyInUse => {
            let detail = "this Idempotency-Key belongs to another recording or to other options; send a new key";
            Err(ApiError::new(ProblemCode::IdempotencyKeyInUse, detail))
        }
        Submission::Refused(exceeded) => Err(ApiError::quota_exceeded(exceeded)),
        Submission::QueueFull => Err(queue_full(state.config.max_pending_jobs)),
    }
}

fn queue_full(pending: u64) -> ApiError {
    let detail = format!("{pending} jobs are waiting, and no more are taken; try again later");
    ApiError::new(ProblemCode::QueueFull, detail).retry_after(RETRY_FULL_S)
}

fn disk_full(path: std::path::PathBuf) -> StoreError {
    StoreError::File {
        action: "write",
        path,
        source: std::io::ErrorKind::StorageFull.into(),
    }
}

fn too_large(max_bytes: u64) -> ApiError {
    let detail = format!("a recording may have at most {max_bytes} bytes (STENO_MAX_UPLOAD_BYTES)");
    ApiError::new(ProblemCode::UploadTooLarge, detail)
}

fn cut_short() -> ApiError {
    ApiError::new(
        ProblemCode::Malformed,
        "the body ended before it was complete; send the recording again",
    )
}

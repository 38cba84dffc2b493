//! A job as its client sees it: what the api answers and the command line reads.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{Delivery, FetchStatus, JobResult, Timestamp};

/// Name of a job: 122 random bits, written as a UUID. Knowing it is what lets a client read the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct JobId(Uuid);

/// A text that is no job id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a job id (expected a UUID as in the answer to POST /transcribe)")]
pub struct ParseJobIdError;

impl JobId {
    /// A new id from the operating system's random source.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The id from its 16 stored bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes to store.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for JobId {
    type Err = ParseJobIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Only the hyphenated form: one job has one address.
        if text.len() != 36 {
            return Err(ParseJobIdError);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| ParseJobIdError)
    }
}

/// The status of a job. It only moves forward: `pending`, `processing`, then one of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted and durable; no worker has begun.
    Pending,
    /// A worker has begun. A crash or a restart does not undo that.
    Processing,
    /// The result is there.
    Completed,
    /// There is no result and there will be none; the error says why.
    Failed,
}

impl Status {
    /// The word on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Whether the job has ended: nothing but its deletion will change it.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a job failed. The words are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// No audio in a format that is understood.
    UnsupportedMedia,
    /// Audio of a known format that cannot be decoded.
    CorruptAudio,
    /// No samples in the audio.
    EmptyAudio,
    /// Longer than the server allows.
    AudioTooLong,
    /// The weights the job asks for cannot be loaded.
    ModelUnavailable,
    /// The engine failed again and again.
    EngineError,
    /// Workers died while working on it, as often as the budget allows.
    WorkerCrashed,
    /// It did not end before its deadline.
    Expired,
    /// The audio could not be fetched from its URL.
    FetchFailed,
}

impl FailureCode {
    /// The word on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnsupportedMedia => "unsupported_media",
            Self::CorruptAudio => "corrupt_audio",
            Self::EmptyAudio => "empty_audio",
            Self::AudioTooLong => "audio_too_long",
            Self::ModelUnavailable => "model_unavailable",
            Self::EngineError => "engine_error",
            Self::WorkerCrashed => "worker_crashed",
            Self::Expired => "expired",
            Self::FetchFailed => "fetch_failed",
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a job has no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobError {
    /// The stable code.
    pub code: FailureCode,
    /// What exactly went wrong, as a stable word; only with `fetch_failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What happened and what to do, for a person.
    pub message: String,
}

/// The answer to a submission (202).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobAccepted {
    /// The job's id.
    pub job_id: JobId,
    /// `pending`; for an earlier job that this submission repeats, its current status.
    pub status: Status,
    /// When the job was accepted.
    pub created_at: Timestamp,
    /// When the job is deleted at the latest, whatever its status.
    pub ttl_deadline: Timestamp,
    /// Place in the queue, 1 is next; `None` if it has begun.
    pub position: Option<u64>,
}

/// The answer to `GET /transcribe/{job_id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobStatus {
    /// The job's id.
    pub job_id: JobId,
    /// Its status.
    pub status: Status,
    /// ISO 639-1 code: as asked for, or as detected once that is known.
    pub language: Option<String>,
    /// Speech transcribed over speech found, 0 to 1.
    pub progress: f64,
    /// Place in the queue while `pending`, 1 is next.
    pub position: Option<u64>,
    /// Expected seconds until the end; `None` while not known.
    pub eta_seconds: Option<f64>,
    /// When the job was accepted.
    pub created_at: Timestamp,
    /// When a worker first began.
    pub started_at: Option<Timestamp>,
    /// When it completed or failed.
    pub finished_at: Option<Timestamp>,
    /// When its result was first delivered in full.
    pub retrieved_at: Option<Timestamp>,
    /// When it will be deleted because it was retrieved.
    pub delete_after: Option<Timestamp>,
    /// When it is deleted at the latest.
    pub ttl_deadline: Timestamp,
    /// Length of the recording in seconds, once decoded.
    pub duration_seconds: Option<f64>,
    /// How often work on it was begun: 1 without trouble, 0 while pending.
    pub attempts: u32,
    /// Why it failed.
    pub error: Option<JobError>,
    /// The transcript of a completed job.
    pub result: Option<JobResult>,
    /// What the client attached, unchanged.
    pub metadata: Option<Map<String, Value>>,
    /// Webhooks of a job with `callback_url` that has ended, and the status of their delivery.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<Delivery>,
    /// The download of the recording, until it is here; only of a job that was submitted with `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch: Option<FetchStatus>,
}

/// The answer to `GET /transcribe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobList {
    /// The jobs, newest first, without their results.
    pub jobs: Vec<JobStatus>,
    /// What to pass as `cursor` for the jobs that follow; `None` at the end.
    pub next_cursor: Option<String>,
}

/// Why a job is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TombstoneReason {
    /// Its result was delivered and the grace period is over.
    Retrieved,
    /// Its deadline passed.
    Expired,
    /// A client deleted it.
    Deleted,
}

impl TombstoneReason {
    /// The word on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retrieved => "retrieved",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
        }
    }
}

/// What is left of a deleted job for a while: no content. Part of the 410 answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tombstone {
    /// The job's id.
    pub job_id: JobId,
    /// Its status when it was deleted. `job_status` on the wire: a problem's `status` is HTTP's.
    #[serde(rename = "job_status")]
    pub status: Status,
    /// Why it was deleted.
    pub reason: TombstoneReason,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// The deadline it had.
    pub ttl_deadline: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_on_the_wire_equal_words_in_the_database() {
        for status in [
            Status::Pending,
            Status::Processing,
            Status::Completed,
            Status::Failed,
        ] {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        for code in [
            "unsupported_media",
            "corrupt_audio",
            "empty_audio",
            "audio_too_long",
            "model_unavailable",
        ]
        .into_iter()
        .chain(["engine_error", "worker_crashed", "expired", "fetch_failed"])
        {
            let parsed: FailureCode = serde_json::from_value(code.into()).unwrap();
            assert_eq!(parsed.as_str(), code);
        }
        for reason in [
            TombstoneReason::Retrieved,
            TombstoneReason::Expired,
            TombstoneReason::Deleted,
        ] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }

    #[test]
    fn job_ids_have_one_spelling() {
        let id = JobId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(
            id.to_string().replace('-', "").parse::<JobId>(),
            Err(ParseJobIdError)
        );
        assert_eq!("../../etc/passwd".parse::<JobId>(), Err(ParseJobIdError));
    }
}

//! What the store and a worker say to each other about a task.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use steno_models::{FailureCode, JobId, Segment, TranscribeRequest};
use uuid::Uuid;

/// The fence: a claim's random name. A finish that names a claim which no longer stands changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimId(Uuid);

impl ClaimId {
    /// A new name from the operating system's random source.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl FromStr for ClaimId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

/// One worker's right to finish one task.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The fence.
    pub id: ClaimId,
    /// The job the task belongs to.
    pub job_id: JobId,
    /// What is to be done.
    pub task: TaskKind,
    /// What the client asked for.
    pub options: TranscribeRequest,
    /// The language to transcribe in: as asked for, or as detected by `prepare`.
    pub language: Option<String>,
    /// 1 at the first try.
    pub attempt: u32,
    /// The call that submitted the job; empty where it is not known.
    pub request_id: String,
    /// Whether its worker does nothing beside it.
    pub(crate) is_alone: bool,
    pub(crate) task_id: i64,
    pub(crate) job_seq: i64,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// Decode the recording, find its speech, plan spans.
    Prepare {
        /// File name in `audio/`.
        audio: String,
    },
    /// Transcribe one span.
    Transcribe(SpanTask),
}

/// A span to transcribe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanTask {
    /// File name in `spool/`.
    pub spool: String,
    /// Position in the recording, from 0.
    pub index: u32,
    /// Where it lies.
    pub span: PlannedSpan,
}

/// Stretches of speech in the spool that are transcribed together, in order and disjoint. At least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlannedSpan {
    /// From the first sample up to and without the second, at 16 kHz.
    pub stretches: Vec<(u64, u64)>,
}

impl PlannedSpan {
    /// Length in milliseconds, without the pauses between stretches.
    pub fn duration_ms(&self) -> u64 {
        self.stretches.iter().map(|(start, end)| end.saturating_sub(*start)).sum::<u64>() / 16
    }
}

/// What `prepare` found.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Length of the recording.
    pub duration_ms: u64,
    /// Language of the job, if known by now.
    pub language: Option<String>,
    /// How sure the detection was; `None` when the client named the language.
    pub language_probability: Option<f32>,
    /// File name of the decoded audio in `spool/`.
    pub spool: String,
    /// The spans to transcribe, in order.
    pub spans: Vec<PlannedSpan>,
    /// The segments of the only span, when the slot has transcribed it already, or of no span at all.
    pub segments: Option<Vec<Segment>>,
    /// Name of the weights that are used.
    pub model: String,
}

/// Why a task could not be done.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The stable code, for the client if the job fails.
    pub code: FailureCode,
    /// What happened and what to do, for the client.
    pub message: String,
    /// Whether another try may succeed.
    pub retryable: bool,
}

/// What became of a finish.
#[derive(Debug)]
pub struct Finished {
    /// Whether the claim still stood. If not, the work was dropped.
    pub accepted: bool,
    /// The next task, if one was asked for and there is one.
    pub next: Option<Claim>,
}

//! What the store and a worker say to each other about a task.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use steno_models::{FailureCode, Gap, JobId, Segment, TranscribeRequest, Warning};
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
    /// The language to transcribe in: as asked for, or as detected by `prepare` for the span or the recording.
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

/// Stretches of speech in the spool that are transcribed together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlannedSpan {
    /// From the first sample up to and without the second, at 16 kHz; in order and disjoint. At least one.
    pub stretches: Vec<(u64, u64)>,
    /// How sure the plan is that this is speech.
    pub certainty: Certainty,
    /// Its language where the recording has several; `None` means the recording's.
    pub language: Option<String>,
}

/// How sure a plan is that a span is speech.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certainty {
    /// The speech detector found speech: without words it is a gap in the transcript.
    #[default]
    Speech,
    /// Sound that the detector did not call speech. It is transcribed all the same, and may well have no words.
    Doubtful,
}

impl Certainty {
    /// The word in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Speech => "speech",
            Self::Doubtful => "doubtful",
        }
    }

    /// From the word in the database. Plans of earlier releases have none.
    pub(crate) fn from_stored(word: Option<&str>) -> Self {
        match word {
            Some("doubtful") => Self::Doubtful,
            _ => Self::Speech,
        }
    }
}

/// What a span yielded. Times are seconds from the start of the recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanOutput {
    /// Pieces of the transcript, in order.
    pub segments: Vec<Segment>,
    /// Where text was decoded and then dropped.
    pub dropped: Vec<Gap>,
    /// The language that the span sounds like, where the text is unlikely and the client named another.
    pub sounds_like: Option<String>,
}

/// What is stored of a [`SpanOutput`] besides its segments. New fields need a default: rows of neighbouring releases lack
/// them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SpanOutcome {
    pub(crate) dropped: Vec<Gap>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sounds_like: Option<String>,
}

impl PlannedSpan {
    /// Length in milliseconds, without the pauses between stretches.
    pub fn duration_ms(&self) -> u64 {
        self.stretches
            .iter()
            .map(|(start, end)| end.saturating_sub(*start))
            .sum::<u64>()
            / 16
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
    /// What each span yielded, when the slot has transcribed them already; empty if there are none.
    pub outputs: Option<Vec<SpanOutput>>,
    /// What the client should know about the recording.
    pub warnings: Vec<Warning>,
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

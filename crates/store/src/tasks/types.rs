//! What the store and a worker say to each other about a task.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use steno_models::{FailureCode, Gap, JobId, Segment, TranscribeRequest, Warning};
use uuid::Uuid;

use crate::store::BUDGET;
use crate::tasks::fetch::{FetchTask, FetchedAudio};
use crate::tasks::finish_diarize::Diarization;
use crate::tasks::voices::{FoundVoices, VoicesTask};

/// The fence: a claim's random name. A finish that names a lost claim changes nothing.
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
    pub task: TaskInput,
    /// What the client asked for.
    pub options: TranscribeRequest,
    /// The language to transcribe in: as asked for, or as detected by `prepare` for the span or the recording.
    pub language: Option<String>,
    /// Name of the weights that the job's plan was made with; `None` before it has a plan.
    pub model: Option<String>,
    /// 1 at the first try.
    pub attempt: u32,
    /// The call that submitted the job; empty where it is not known.
    pub request_id: String,
    /// Whether its worker does nothing beside it.
    pub(crate) is_alone: bool,
    pub(crate) task_id: i64,
    pub(crate) job_seq: i64,
    pub(crate) run_id: String,
    pub(crate) owner: String,
}

impl Claim {
    /// Whether this attempt follows the last death of a worker that a task may cause. Only tasks for speakers get such an
    /// attempt: their worker then does nothing, and the job still ends with its text. With any other task, the job has failed by then.
    pub fn has_spent_its_tries(&self) -> bool {
        self.attempt > BUDGET
    }

    /// Whether a failure of this attempt that is retryable is not followed by another try.
    pub fn is_last_try(&self) -> bool {
        self.attempt >= BUDGET
    }
}

/// Kinds of tasks that this release knows. A task of any other kind is left to programs that know it.
///
/// A new kind needs a variant here, its [`TaskInput`] in `claim.rs`, and its [`TaskOutput`] in `finish.rs`. The database
/// takes any kind: its input and output are JSON in the columns `input` and `output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Decode the recording, find its speech, plan spans.
    Prepare,
    /// Transcribe one span.
    Transcribe,
    /// Find the voices in one block of the recording.
    Voices,
    /// Label the speakers of the recording.
    Diarize,
    /// Download the recording. For the courier.
    Fetch,
}

impl TaskKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Prepare,
        Self::Transcribe,
        Self::Voices,
        Self::Diarize,
        Self::Fetch,
    ];

    /// The word in the database, the metrics and the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Transcribe => "transcribe",
            Self::Voices => "voices",
            Self::Diarize => "diarize",
            Self::Fetch => "fetch",
        }
    }

    /// From the word in the database; `None` for a kind of a later release.
    pub(crate) fn from_stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether its tasks wait in a queue of their own, because workers of the first release claim any task that they see
    /// (migration `0007_open_tasks.sql`).
    pub(crate) fn has_own_queue(self) -> bool {
        !matches!(self, Self::Prepare | Self::Transcribe)
    }
}

/// The status of a task. The database refuses any other word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskStatus {
    /// A worker may claim it.
    Ready,
    /// It becomes ready at a set time.
    Waiting,
    /// A worker has it.
    Claimed,
    /// Its output is stored.
    Done,
}

impl TaskStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Ready, Self::Waiting, Self::Claimed, Self::Done];

    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Claimed => "claimed",
            Self::Done => "done",
        }
    }

    /// From the word in the database.
    pub(crate) fn from_stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// What a claimed task works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskInput {
    /// A recording to decode and plan.
    Prepare {
        /// File name in `audio/`.
        audio: String,
    },
    /// A span to transcribe.
    Transcribe(SpanTask),
    /// A block of a decoded recording whose voices are to be found.
    Voices(VoicesTask),
    /// A decoded recording whose speakers are to be labelled.
    Diarize {
        /// File name in `spool/`.
        spool: String,
    },
    /// A recording to download.
    Fetch(FetchTask),
}

impl TaskInput {
    /// The kind of task.
    pub fn kind(&self) -> TaskKind {
        match self {
            Self::Prepare { .. } => TaskKind::Prepare,
            Self::Transcribe(_) => TaskKind::Transcribe,
            Self::Voices(_) => TaskKind::Voices,
            Self::Diarize { .. } => TaskKind::Diarize,
            Self::Fetch(_) => TaskKind::Fetch,
        }
    }
}

/// What a task yielded.
#[derive(Clone, Debug)]
pub enum TaskOutput {
    /// Of `prepare`: the plan, or the whole result of a short recording.
    Plan(Box<Prepared>),
    /// Of `transcribe`.
    Span {
        /// The text of the span.
        output: SpanOutput,
        /// Name of the weights, for the result of the job.
        model: String,
    },
    /// Of `voices`.
    Voices(FoundVoices),
    /// Of `diarize`.
    Speakers {
        /// Who speaks when.
        diarization: Diarization,
        /// Name of the weights, for the result of the job.
        model: String,
    },
    /// Of `fetch`: the recording, durable on disk.
    Fetched(FetchedAudio),
}

impl TaskOutput {
    /// The kind of task that yields it.
    pub fn kind(&self) -> TaskKind {
        match self {
            Self::Plan(_) => TaskKind::Prepare,
            Self::Span { .. } => TaskKind::Transcribe,
            Self::Voices(_) => TaskKind::Voices,
            Self::Speakers { .. } => TaskKind::Diarize,
            Self::Fetched(_) => TaskKind::Fetch,
        }
    }
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
    /// Blocks of the recording whose voices are found by tasks of their own, in samples and in order. Empty without `diarize`, and if
    /// one task finds all voices.
    pub blocks: Vec<Range<u64>>,
    /// What each span yielded, when the slot has transcribed them already; empty if there are none.
    pub outputs: Option<Vec<SpanOutput>>,
    /// Who speaks when, where that was asked for and the slot has found it out already.
    pub diarization: Option<Diarization>,
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
    /// What exactly went wrong, as a stable word, where the code stands for several causes.
    pub reason: Option<&'static str>,
}

/// What became of an operation that needs a valid claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// The claim was valid, and the operation is stored.
    Stored,
    /// The claim was lost: to another worker, or because the job ended or was deleted. Nothing has changed.
    ClaimLost,
}

impl Settled {
    /// From the number of rows that a statement changed whose condition names the claim.
    pub(crate) fn of_rows(rows: usize) -> Self {
        if rows == 0 {
            Self::ClaimLost
        } else {
            Self::Stored
        }
    }

    /// Whether the operation is stored.
    pub fn is_stored(self) -> bool {
        self == Self::Stored
    }
}

/// What became of a finish.
#[derive(Debug)]
pub struct Finished {
    /// Whether the output is stored.
    pub settled: Settled,
    /// The next task, if one was asked for and there is one.
    pub next: Option<Claim>,
}

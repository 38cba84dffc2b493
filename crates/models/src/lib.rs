//! Types on the wire of Steno, shared by the api, the workers, the command line and the tests.
//!
//! What a client sends and receives is defined here and nowhere else. This crate does no I/O and reads no clock. With the
//! feature `openapi` the types also describe themselves.

mod channels;
mod coverage;
mod event;
mod fetch;
mod job;
mod known_speakers;
mod language;
mod layout;
pub mod openai;
mod options;
mod problem;
mod render;
mod request;
mod speakers;
mod stored_options;
mod timestamp;
mod transcript;
mod web_address;
mod webhook;

pub use channels::{Channels, MergedChannels, merge_channels};
pub use coverage::{Coverage, Gap, GapReason, Warning, WarningCode};
pub use event::{JobEvent, JobProgress, SpeakerLabels};
pub use fetch::{FetchState, FetchStatus};
pub use job::{
    FailureCode, JobAccepted, JobError, JobId, JobList, JobStatus, ParseJobIdError, Status,
    Tombstone, TombstoneReason,
};
pub use known_speakers::{SpeakerReference, is_long_enough};
pub use language::{LANGUAGES, LanguageChoice, language_name};
pub use layout::Layout;
pub use options::{OPTIONS, OptionFields, OptionKind, OptionSpec, Since, parse_bool};
pub use problem::{FieldProblem, Problem, ProblemCode};
pub use render::{Format, render};
pub use request::{Task, TranscribeRequest};
pub use speakers::{Speaker, SpeakerNames, SpeakerTurn, Turn};
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use transcript::{JobResult, Segment, Word, separator};
pub use web_address::{InvalidWebAddress, WebAddress};
pub use webhook::{CallbackEvent, Delivery, DeliveryList, DeliveryStatus, WebhookBody, WebhookJob};

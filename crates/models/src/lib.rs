//! Types on the wire of Steno, shared by the api, the workers, the command line and the tests.
//!
//! What a client sends and receives is defined here and nowhere else. This crate does no I/O and reads no clock.

mod job;
mod language;
mod problem;
mod render;
mod request;
mod timestamp;
mod transcript;

pub use job::{
    FailureCode, JobAccepted, JobError, JobId, JobStatus, ParseJobIdError, Status, Tombstone, TombstoneReason,
};
pub use language::{LANGUAGES, language_name};
pub use problem::{FieldProblem, Problem, ProblemCode};
pub use render::{Format, render};
pub use request::{OptionFields, Task, TranscribeRequest};
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use transcript::{JobResult, Segment, Word};

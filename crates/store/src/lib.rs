//! The queue of Steno and its audio files: SQLite for rows, a folder for bytes.
//!
//! Called by the api (submit, read, delete), the workers (claim, finish, release) and both (sweep, reclaim).
//! Blocking throughout. Never decodes audio, never speaks HTTP, never reads a clock by itself: each call is
//! told the time.

mod audio_file;
mod ballast;
mod clock;
mod data_dir;
mod error;
mod run;
mod spool_file;
mod sqlite;
mod store;
mod wake;

pub use audio_file::{AudioUpload, StoredAudio};
pub use clock::{Clock, ManualClock, Now, SystemClock};
pub use data_dir::DataDir;
pub use error::StoreError;
pub use run::WorkerRun;
pub use spool_file::{SpoolFile, SpoolRoom};
pub use store::{
    Accepted, Backup, Certainty, Claim, ClaimId, Cursor, EarlierJob, Failure, Finished, Followed,
    InspectedJob, InspectedTask, JobFilter, JobLookup, NewJob, NoCursor, Page, PlannedSpan,
    Postponement, Prepared, Quota, QuotaCheck, QuotaExceeded, Reclaimed, RegisteredWorker,
    RunSettings, SettingDifference, Settled, SpanOutput, SpanTask, Statistics, Store,
    StoreSettings, Submission, Sweep, TaskInput, TaskKind, TaskOutput, TaskStatus, Told,
};
pub use wake::{WakeMessage, WakeSocket};

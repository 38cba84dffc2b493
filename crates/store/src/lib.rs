//! The queue of Steno and its audio files: rows in SQLite or PostgreSQL, files in a folder or in
//! S3-compatible storage.
//!
//! Called by the api (submit, read, delete), the workers (claim, finish, release) and both (sweep, reclaim).
//! Blocking throughout. Never decodes audio, never speaks HTTP, never reads a clock by itself: each call gets the time.
//!
//! An operation is a file in a room: `jobs/`, `tasks/`, `runs/`, `deliveries/`, `upkeep/`. It is a
//! method of [`Store`], written against one transaction (`tx::Tx`), which hides the database behind
//! it. SQL is in `sql/`, and in `sqlite/sql/` and `postgres/sql/` where the databases need
//! different texts.

#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a path to a method of `Tx` has one lifetime, and a transaction needs any"
)]
#![cfg_attr(
    not(feature = "postgres"),
    allow(
        dead_code,
        unreachable_code,
        unfulfilled_lint_expectations,
        reason = "what is for PostgreSQL alone has no value to run on"
    )
)]

mod clock;
mod database;
mod deliveries;
mod effects;
mod error;
mod files;
mod jobs;
mod place;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(not(feature = "postgres"))]
#[path = "without_postgres/backend.rs"]
mod postgres;
mod runs;
mod signal;
mod sqlite;
mod store;
mod tasks;
mod tx;
mod upkeep;

pub use crate::postgres::address::{AddressError, DatabaseAddress};
pub use clock::{Clock, ManualClock, Now, SystemClock};
pub use database::{DatabaseError, ServerReport};
pub use deliveries::claim::ClaimedDelivery;
pub use deliveries::finish::DeliveryOutcome;
pub use deliveries::redeliver::Redelivery;
pub use error::StoreError;
pub use files::Files;
pub use files::access::FileAccess;
pub use files::data_dir::DataDir;
pub use files::location::probe_storage;
pub use files::names::JOB_FOLDERS;
pub use files::recording::Recording;
pub use files::spool_file::{SpoolFile, SpoolRoom};
pub use files::spool_reader::SpoolReader;
pub use files::upload::{AudioUpload, StoredAudio};
pub use jobs::follow::{Followed, Sent};
pub use jobs::get::JobLookup;
pub use jobs::list::{Cursor, NoCursor, Page};
pub use jobs::quota::{Quota, QuotaCheck, QuotaExceeded};
pub use jobs::submit::{Accepted, EarlierJob, JobAudio, NewJob, Submission};
pub use place::Place;
pub use runs::reclaim::Reclaimed;
pub use runs::registry::{DIARIZATION, RegisteredWorker, RunRole, RunSettings};
pub use runs::run::WorkerRun;
pub use signal::listener::WakeListener;
pub use signal::message::{Audience, WakeMessage};
pub use store::{Store, StoreSettings};
pub use tasks::fetch::{FetchNoted, FetchPart, FetchProgress, FetchTask, FetchedAudio};
pub use tasks::finish_diarize::Diarization;
pub use tasks::release::Postponement;
pub use tasks::types::{
    Certainty, Claim, ClaimId, Failure, Finished, PlannedSpan, Prepared, Settled, SpanOutput,
    SpanTask, TaskInput, TaskKind, TaskOutput, TaskStatus,
};
pub use tasks::voices::{FoundVoices, VoicesTask};
pub use upkeep::back_up::Backup;
pub use upkeep::counters::Statistics;
pub use upkeep::inspect::{InspectedJob, InspectedTask, JobFilter};
pub use upkeep::settings::SettingDifference;
pub use upkeep::sweep::Sweep;

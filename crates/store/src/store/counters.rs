//! Counting what happens, in the transaction in which it happens: no crash makes a number wrong.

use rusqlite::{Transaction, named_params};
use steno_models::Status;

use super::Store;
use super::get::word;
use crate::{Now, StoreError};

/// What is counted. The label is what varies within a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counter<'a> {
    /// Jobs that were submitted.
    Submitted,
    /// Tasks that were claimed, by kind.
    Claims(&'a str),
    /// Seconds from claim to finish, by kind of task.
    TaskSeconds(&'a str),
    /// Seconds of speech that were transcribed.
    SpeechSeconds,
    /// Seconds of audio that were decoded.
    AudioSeconds,
    /// Jobs that ended, by how: `completed`, or the code of the failure.
    Ended(&'a str),
    /// Tasks whose worker died.
    Crashes,
    /// Jobs that were deleted, by reason.
    Deletions(&'a str),
    /// Warnings in results, by code.
    Warnings(&'a str),
    /// Tasks that were given back because of the machine, by what was wrong with it.
    Postponed(&'a str),
}

impl Counter<'_> {
    fn name_and_label(&self) -> (&'static str, &str) {
        match self {
            Self::Submitted => ("jobs_submitted", ""),
            Self::Claims(kind) => ("claims", kind),
            Self::TaskSeconds(kind) => ("task_seconds", kind),
            Self::SpeechSeconds => ("speech_seconds", ""),
            Self::AudioSeconds => ("audio_seconds", ""),
            Self::Ended(how) => ("jobs_ended", how),
            Self::Crashes => ("crashes", ""),
            Self::Deletions(reason) => ("deletions", reason),
            Self::Warnings(code) => ("warnings", code),
            Self::Postponed(reason) => ("postponed", reason),
        }
    }
}

/// Adds to a counter.
pub(super) fn count(
    tx: &Transaction<'_>,
    counter: Counter<'_>,
    value: f64,
) -> Result<(), StoreError> {
    let (name, label) = counter.name_and_label();
    tx.prepare_cached(include_str!("../sql/count.sql"))?
        .execute(named_params! {":name": name, ":label": label, ":value": value})?;
    Ok(())
}

/// How the queue is, and what has happened to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Status, number of jobs, and seconds since the oldest of them was submitted.
    pub jobs: Vec<(Status, u64, f64)>,
    /// Registered workers.
    pub workers: u64,
    /// Name, label (empty for none) and value of each counter.
    pub counters: Vec<(String, String, f64)>,
}

impl Store {
    /// The numbers of `/metrics`. Costs a walk over the index of jobs.
    pub fn statistics(&self, now: Now) -> Result<Statistics, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached(include_str!("../sql/queue_depth.sql"))?;
            let mut rows = statement.query([])?;
            let mut jobs = Vec::new();
            while let Some(row) = rows.next()? {
                let age_ms = now.wall.ms() - row.get::<_, i64>(2)?;
                jobs.push((
                    word(row, "status")?,
                    row.get::<_, i64>(1)? as u64,
                    (age_ms.max(0) as f64) / 1000.0,
                ));
            }
            let workers: i64 = connection
                .prepare_cached("SELECT count(*) FROM workers")?
                .query_row([], |row| row.get(0))?;
            let mut statement =
                connection.prepare_cached("SELECT name, label, value FROM counters")?;
            let counters =
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok(Statistics {
                jobs,
                workers: workers as u64,
                counters: counters.collect::<Result<_, _>>()?,
            })
        })
    }
}

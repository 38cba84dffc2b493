//! Counting what happens, in the transaction in which it happens: no crash makes a number wrong.

use steno_models::{Status, Timestamp};

use crate::tx::Tx;
use crate::{Now, Store, StoreError};

/// What is counted. The label is what varies within a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter<'a> {
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
    /// Attempts to deliver a webhook, by outcome.
    DeliveryAttempts(&'a str),
    /// Recordings that were fetched or not, by outcome.
    Fetches(&'a str),
    /// Bytes of fetched recordings.
    FetchedBytes,
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
            Self::DeliveryAttempts(outcome) => ("delivery_attempts", outcome),
            Self::Fetches(outcome) => ("fetches", outcome),
            Self::FetchedBytes => ("fetched_bytes", ""),
            Self::Postponed(reason) => ("postponed", reason),
        }
    }
}

/// Adds to a counter.
pub(crate) fn count(tx: &Tx<'_>, counter: Counter<'_>, value: f64) -> Result<(), StoreError> {
    let (name, label) = counter.name_and_label();
    tx.count(name, label, value)
}

/// How the queue is, and what has happened to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Status, number of jobs, and seconds since the oldest of them was submitted.
    pub jobs: Vec<(Status, u64, f64)>,
    /// Registered workers.
    pub workers: u64,
    /// Registered couriers.
    pub couriers: u64,
    /// Webhooks that are still to be sent.
    pub open_deliveries: u64,
    /// Seconds since the oldest of them was written; 0 without any.
    pub oldest_delivery_seconds: f64,
    /// Recordings that are still to be fetched.
    pub open_fetches: u64,
    /// Seconds since the job of the oldest of them was submitted; 0 without any.
    pub oldest_fetch_seconds: f64,
    /// Name, label (empty for none) and value of each counter.
    pub counters: Vec<(String, String, f64)>,
}

impl Store {
    /// The numbers of `/metrics`. Costs a walk over the index of jobs.
    pub fn statistics(&self, now: Now) -> Result<Statistics, StoreError> {
        self.read(|tx| {
            let age =
                |submitted: Timestamp| (now.wall.ms() - submitted.ms()).max(0) as f64 / 1000.0;
            let (open_deliveries, oldest_delivery) = tx.open_deliveries()?;
            let (open_fetches, oldest_fetch) = tx.open_fetches()?;
            let depth = tx.queue_depth()?.into_iter();
            Ok(Statistics {
                jobs: depth
                    .map(|(status, count, oldest)| (status, count, age(oldest)))
                    .collect(),
                workers: tx.count_runs("worker")?,
                couriers: tx.count_runs("courier")?,
                open_deliveries,
                oldest_delivery_seconds: oldest_delivery.map_or(0.0, age),
                open_fetches,
                oldest_fetch_seconds: oldest_fetch.map_or(0.0, age),
                counters: tx.list_counters()?,
            })
        })
    }
}

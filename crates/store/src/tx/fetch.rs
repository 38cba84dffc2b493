//! Statements about `fetch` tasks and the recordings that they bring.

use steno_models::Timestamp;

use crate::StoreError;
use crate::tasks::fetch::{FetchProgress, FetchedAudio};
use crate::tasks::types::{Claim, TaskStatus};
use crate::tx::{Tx, parameters, sql};

impl Tx<'_> {
    pub(crate) fn insert_fetch_task(&self, job: i64, input: &str) -> Result<(), StoreError> {
        let parameters = parameters! {":job": job, ":input": input};
        self.run(sql!("insert_fetch_task"), parameters)
    }

    /// Stores the progress of a claimed download. Changes no row where the claim was lost.
    pub(crate) fn note_fetch(&self, claim: &Claim, progress: &str) -> Result<usize, StoreError> {
        let parameters = parameters! {
            ":task": claim.task_id,
            ":claim_id": claim.id.as_bytes(),
            ":body": progress.as_bytes(),
        };
        self.execute(sql!("note_fetch"), parameters)
    }

    /// The status of the `fetch` task of a job, and its progress; `None` without such a task.
    pub(crate) fn fetch_progress(
        &self,
        job: i64,
    ) -> Result<Option<(TaskStatus, Option<FetchProgress>)>, StoreError> {
        let parameters = parameters! {":job": job};
        self.first(sql!("fetch_progress"), parameters, |row| {
            let status: String = row.get("status")?;
            let status = TaskStatus::from_stored(&status).ok_or(StoreError::Contradiction {
                action: "read the status of a task",
            })?;
            let progress: Option<Vec<u8>> = row.get("progress")?;
            let progress = progress
                .map(|body| serde_json::from_slice(&body))
                .transpose();
            let progress = progress.map_err(|source| StoreError::Content {
                what: "progress",
                source,
            })?;
            Ok((status, progress))
        })
    }

    /// How many recordings are still to be fetched, and when the job of the oldest was submitted.
    pub(crate) fn open_fetches(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        self.one(sql!("open_fetches"), &[], |row| {
            let oldest: Option<i64> = row.get(1)?;
            Ok((row.get::<i64>(0)? as u64, oldest.map(Timestamp::from_ms)))
        })
    }

    pub(crate) fn set_audio_bytes(&self, job: i64, bytes: u64) -> Result<(), StoreError> {
        let parameters = parameters! {":job": job, ":bytes": bytes as i64};
        self.run(sql!("set_audio_bytes"), parameters)
    }

    pub(crate) fn set_audio(&self, job: i64, audio: &FetchedAudio) -> Result<(), StoreError> {
        let parameters = parameters! {
            ":job": job,
            ":audio": audio.name,
            ":bytes": audio.bytes as i64,
            ":sha256": audio.sha256,
        };
        self.change_row(sql!("set_audio"), parameters, "name a fetched recording")
    }
}

//! `fetch` tasks: a recording is downloaded, then its job goes on like one whose recording was uploaded.
//!
//! Called by the courier. The address is in the task alone and goes with it: it may hold a secret of its client.

use serde::{Deserialize, Serialize};
use steno_models::{FetchState, FetchStatus, WebAddress};

use crate::clock::{UNKNOWN_BOOT, boot_id};
use crate::database::Durability;
use crate::effects::Effects;
use crate::tasks::fence::remove_claimed_task;
use crate::tasks::types::{Claim, Settled, TaskStatus};
use crate::tx::{Tx, to_json};
use crate::upkeep::counters::{Counter, count};
use crate::{AudioUpload, Now, Store, StoreError};

/// A recording to download, with the limits that its submission was accepted with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchTask {
    /// Where it is.
    pub url: WebAddress,
    /// Largest recording, in bytes.
    pub max_bytes: u64,
    /// Bytes that its owner may have stored; `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_stored_bytes: Option<u64>,
}

/// A downloaded recording, durable on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedAudio {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
}

/// The progress of a download. Stored as JSON beside its task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FetchProgress {
    /// Bytes received.
    pub bytes: u64,
    /// Bytes of the whole recording, if the server has announced them.
    pub total: Option<u64>,
    /// Why the last attempt ended.
    pub problem: Option<String>,
    /// What a later attempt needs to continue the download. `None` if the server sent neither a strong `ETag` nor a date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<FetchPart>,
}

/// What is needed to continue a download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchPart {
    /// The `ETag` or date that the server gave the recording.
    pub validator: String,
    /// The boot in which its bytes were written: a crash of the machine may lose some of them.
    boot_id: String,
}

impl FetchPart {
    /// A recording with this validator, received in this boot.
    pub fn of_this_boot(validator: String) -> Self {
        Self {
            validator,
            boot_id: boot_id(),
        }
    }

    fn is_of_this_boot(&self) -> bool {
        self.boot_id != UNKNOWN_BOOT && self.boot_id == boot_id()
    }
}

/// The outcome of noting the progress of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum FetchNoted {
    /// It is stored.
    Stored,
    /// The claim was lost.
    ClaimLost,
    /// With this recording, its owner has more bytes than these. It is stored nevertheless.
    QuotaExceeded(u64),
}

impl Store {
    /// Opens the file for the recording of a `fetch` claim. If an earlier attempt has left a beginning that can be continued, the
    /// progress says how long it is and which validator belongs to it. Otherwise the progress is the default, and the file is empty.
    pub fn begin_download(
        &self,
        claim: &Claim,
        reserve_bytes: u64,
    ) -> Result<(AudioUpload, FetchProgress), StoreError> {
        let stored = self.read(|tx| tx.fetch_progress(claim.job_seq))?;
        let earlier = stored.and_then(|(_, progress)| progress);
        let continued = earlier.filter(|earlier| {
            let part = earlier.part.as_ref();
            part.is_some_and(FetchPart::is_of_this_boot)
        });

        let keep = continued.is_some();
        let file = self
            .files
            .begin_download(claim.job_id, keep, reserve_bytes)?;
        let progress = match continued.filter(|_| file.bytes() > 0) {
            Some(earlier) => FetchProgress {
                bytes: file.bytes(),
                problem: None,
                ..earlier
            },
            None => FetchProgress::default(),
        };
        Ok((file, progress))
    }

    /// Stores how far a download is, and counts its bytes for its owner: those that are announced, or have come.
    pub fn note_fetch(
        &self,
        claim: &Claim,
        progress: &FetchProgress,
        max_stored_bytes: Option<u64>,
    ) -> Result<FetchNoted, StoreError> {
        let body = to_json("progress", progress)?;
        let needed = progress.total.unwrap_or(0).max(progress.bytes);

        self.write_with(Durability::Soon, |tx, effects| {
            if tx.note_fetch(claim, &body)? == 0 {
                return Ok(FetchNoted::ClaimLost);
            }
            tx.set_audio_bytes(claim.job_seq, needed)?;
            effects.changed.insert(claim.job_id);

            let usage = tx.usage(&claim.owner, None)?;
            match max_stored_bytes {
                Some(limit) if usage.stored_bytes > limit => Ok(FetchNoted::QuotaExceeded(limit)),
                _ => Ok(FetchNoted::Stored),
            }
        })
    }
}

/// Ends a `fetch` task: its job has a recording and waits for a worker.
pub(crate) fn finish_fetch(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    audio: &FetchedAudio,
) -> Result<Settled, StoreError> {
    if remove_claimed_task(tx, effects, now, claim)? == Settled::ClaimLost {
        return Ok(Settled::ClaimLost);
    }

    count(tx, Counter::Fetches("fetched"), 1.0)?;
    count(tx, Counter::FetchedBytes, audio.bytes as f64)?;
    tx.set_audio(claim.job_seq, audio)?;
    tx.insert_prepare_task(claim.job_seq)?;

    effects.work = true;
    effects.changed.insert(claim.job_id);
    Ok(Settled::Stored)
}

/// What a client sees of the `fetch` task of its job; `None` once the recording is here.
pub(crate) fn fetch_status(tx: &Tx<'_>, job_seq: i64) -> Result<Option<FetchStatus>, StoreError> {
    let Some((status, progress)) = tx.fetch_progress(job_seq)? else {
        return Ok(None);
    };
    let progress = progress.unwrap_or_default();
    let state = match status {
        TaskStatus::Claimed | TaskStatus::Done => FetchState::Downloading,
        TaskStatus::Waiting => FetchState::Retrying,
        TaskStatus::Ready => FetchState::Waiting,
    };
    let has_courier = state == FetchState::Downloading || tx.count_runs("courier")? > 0;
    let problem = if has_courier {
        progress.problem
    } else {
        Some("no_courier".to_owned())
    };

    Ok(Some(FetchStatus {
        state,
        bytes: progress.bytes,
        total: progress.total,
        problem,
    }))
}

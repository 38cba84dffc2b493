//! `voices` tasks: the voices in a block of a recording are found by any worker, and kept until its speakers are labelled.
//!
//! Called by workers. Voices are biometric data. They are in `task_data` alone, as bytes that the store does not read, and go with
//! the tasks of their job when it ends.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::effects::Effects;
use crate::tasks::fence::settle_done;
use crate::tasks::types::{Claim, Settled};
use crate::tx::{Tx, to_json};
use crate::{Now, Store, StoreError};

/// A block of a decoded recording whose voices are to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoicesTask {
    /// File name in `spool/`.
    pub spool: String,
    /// Position in the recording, from 0.
    pub index: u32,
    /// Where it lies, in samples at 16 kHz.
    pub block: Range<u64>,
}

/// What a `voices` task yielded. The voices are never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum FoundVoices {
    /// The voices of the block.
    Found(Vec<u8>),
    /// None, with the reason for the client.
    Failed(String),
}

impl fmt::Debug for FoundVoices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(bytes) => write!(f, "Found({} bytes)", bytes.len()),
            Self::Failed(reason) => f.debug_tuple("Failed").field(reason).finish(),
        }
    }
}

/// What is stored of a done task besides the voices.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct VoicesOutcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

impl Store {
    /// What a block of the job of a claim yielded; `None` if it has no such block, or the task is not done.
    pub fn found_voices(
        &self,
        claim: &Claim,
        block: u32,
    ) -> Result<Option<FoundVoices>, StoreError> {
        let stored = self.read_statements(|tx| tx.found_voices(claim.job_seq, block))?;
        let Some(stored) = stored else {
            return Ok(None);
        };
        let content = |source| StoreError::Content {
            what: "voices",
            source,
        };
        let outcome: VoicesOutcome = serde_json::from_str(&stored.outcome).map_err(content)?;
        Ok(match outcome.failed {
            Some(reason) => Some(FoundVoices::Failed(reason)),
            None => stored.voices.map(FoundVoices::Found),
        })
    }
}

/// Ends a `voices` task. After the last one of the job, its speakers can be labelled.
pub(crate) fn finish_voices(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    found: &FoundVoices,
) -> Result<Settled, StoreError> {
    let (voices, failed) = match found {
        FoundVoices::Found(voices) => (Some(voices), None),
        FoundVoices::Failed(reason) => (None, Some(reason.clone())),
    };
    let outcome = to_json("outcome", &VoicesOutcome { failed })?;
    let ended = tx.finish_voices(claim, &outcome)?;
    let settled = settle_done(tx, effects, now, claim, ended.as_ref())?;
    let Some(ended) = ended else {
        return Ok(settled);
    };

    if let Some(voices) = voices {
        tx.insert_voices(claim.task_id, voices)?;
    }
    if ended.is_last {
        tx.insert_diarize_task(claim.job_seq)?;
        effects.work = true;
    }
    Ok(settled)
}

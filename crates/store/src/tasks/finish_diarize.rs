//! Finishing a `diarize` task: who speaks when is kept until the job ends, and the last task completes the job.

use serde::{Deserialize, Serialize};
use steno_models::{SpeakerTurn, Warning};

use crate::effects::Effects;
use crate::tasks::fence::settle_done;
use crate::tasks::finish_span::complete_job;
use crate::tasks::types::{Claim, Settled};
use crate::tx::{Tx, to_json};
use crate::{Now, StoreError};

/// Who speaks when. Stored as JSON until the job ends; holds no voice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Diarization {
    /// The turns of all speakers.
    pub turns: Vec<SpeakerTurn>,
    /// Numbers of the speakers that were recognised, with their names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<(u32, String)>,
    /// What the client should know about the recordings of known speakers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Why there are none, for the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// Ends a `diarize` task. `model` names the weights, for the result of the job.
pub(crate) fn finish_diarize(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    diarization: &Diarization,
    model: &str,
) -> Result<Settled, StoreError> {
    let ended = tx.finish_diarize(claim, &to_json("diarization", diarization)?)?;
    let settled = settle_done(tx, effects, now, claim, ended.as_ref())?;
    if ended.is_some_and(|ended| ended.is_last) {
        complete_job(tx, effects, now, claim, model)?;
    }
    Ok(settled)
}

/// Who speaks when in the recording of a job, where that was asked for.
pub(crate) fn diarization(tx: &Tx<'_>, job: i64) -> Result<Option<Diarization>, StoreError> {
    let output = tx.diarization(job)?;
    output
        .map(|output| serde_json::from_str(&output))
        .transpose()
        .map_err(|source| StoreError::Content {
            what: "diarization",
            source,
        })
}

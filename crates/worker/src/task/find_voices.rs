//! The `voices` task: finds the voices in one block of a decoded recording. `diarize` does the same for blocks that no task has done.
//!
//! A failure never costs the text: the block says why it has no voices, and the result of the job has a warning instead of labels.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use steno_speakers::{BlockVoices, Networks, SpeakersError, blocks};
use steno_store::{Claim, FoundVoices, VoicesTask};

use super::{TaskContext, TaskError};
use crate::audio::{AudioError, Spool, samples_of};

/// For the client, if the operator has not installed the networks.
const NO_NETWORKS: &str = "speakers are not labelled: the server has no networks for it";
/// For the client, if something went wrong.
pub(super) const FAILED: &str =
    "speakers are not labelled: they could not be distinguished in this recording";

pub(super) fn find_voices(
    mut spool: Spool,
    task: &VoicesTask,
    claim: &Claim,
    context: &TaskContext<'_>,
) -> Result<FoundVoices, TaskError> {
    if claim.has_spent_its_tries() {
        return Ok(FoundVoices::Failed(FAILED.to_owned()));
    }
    let networks = match networks(context) {
        Ok(networks) => networks,
        Err(reason) => return Ok(FoundVoices::Failed(reason.to_owned())),
    };
    let block = task.block.start as usize..task.block.end as usize;
    let found = find_in_block(&networks, &mut spool, &block, context)?;
    Ok(match found {
        Ok(voices) => FoundVoices::Found(voices.into_bytes()),
        Err(reason) => FoundVoices::Failed(reason.to_owned()),
    })
}

/// The networks, or for the client why there are none.
pub(super) fn networks(context: &TaskContext<'_>) -> Result<Arc<Networks>, &'static str> {
    context.voices.networks().map_err(|error| {
        tracing::warn!(
            error = format!("{error:#}"),
            "cannot label speakers: the networks cannot be used"
        );
        NO_NETWORKS
    })
}

/// The voices of a block of the spool, or for the client why there are none.
pub(super) fn find_in_block(
    networks: &Networks,
    spool: &mut Spool,
    block: &Range<usize>,
    context: &TaskContext<'_>,
) -> Result<Result<BlockVoices, &'static str>, TaskError> {
    let samples = spool.samples() as usize;
    let found = networks.find_voices(
        samples,
        block,
        &mut |from, buffer| spool.read(from as u64, buffer),
        &mut |_| !context.control.should_stop(),
    );
    match found {
        Ok(voices) => Ok(Ok(voices)),
        Err(SpeakersError::Cancelled) => Err(TaskError::Stopped),
        Err(SpeakersError::Read(error)) => Err(AudioError::Spool(error).into()),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot find the voices of a block"
            );
            Ok(Err(FAILED))
        }
    }
}

/// The blocks of a spool that become tasks of their own; none if one task does it all.
pub(super) fn task_blocks(spool: &Path) -> Result<Vec<Range<u64>>, AudioError> {
    let samples = samples_of(spool).map_err(AudioError::Spool)?;
    let blocks = blocks(samples as usize).into_iter();
    let blocks: Vec<Range<u64>> = blocks
        .map(|block| block.start as u64..block.end as u64)
        .collect();
    Ok(if blocks.len() > 1 { blocks } else { Vec::new() })
}

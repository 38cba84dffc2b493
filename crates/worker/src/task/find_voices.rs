//! The `voices` task: finds the voices in one block of a decoded recording. `diarize` does the same for blocks that no task has done.
//!
//! A failure never costs the text: the block says why it has no voices, and the result of the job has a warning instead of labels.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use steno_speakers::{BlockVoices, Networks, SpeakersError, blocks};
use steno_store::{Claim, FoundVoices, VoicesTask};

use super::{TaskContext, TaskError};
use crate::audio::{AudioError, SAMPLE_RATE, Spool, samples_of};

/// For the client, if the operator has not installed the networks.
const NO_NETWORKS: &str = "speakers are not labelled: the server has no networks for it";
/// For the client, if something went wrong.
pub(super) const FAILED: &str =
    "speakers are not labelled: they could not be distinguished in this recording";

/// Windows of the networks reach so far beyond a block: 10 s.
const WINDOW_SAMPLES: u64 = 10 * SAMPLE_RATE as u64;

pub(super) fn find_voices(
    mut spool: Spool,
    task: &VoicesTask,
    claim: &Claim,
    context: &TaskContext<'_>,
) -> Result<FoundVoices, TaskError> {
    if claim.has_spent_its_tries() {
        return Ok(FoundVoices::Failed(FAILED.to_owned()));
    }
    let block = task.block.start as usize..task.block.end as usize;
    let found = load_networks(claim, context)
        .and_then(|networks| find_in_block(&networks, &mut spool, &block, context));
    match found {
        Ok(voices) => Ok(FoundVoices::Found(voices.into_bytes())),
        Err(Unlabelled::Because(reason)) => Ok(FoundVoices::Failed(reason)),
        Err(Unlabelled::Task(error)) => Err(error),
    }
}

/// Why speakers cannot be labelled.
pub(super) enum Unlabelled {
    /// The job goes on without them; the reason is for the client.
    Because(String),
    /// The task has failed.
    Task(TaskError),
}

impl<E: Into<TaskError>> From<E> for Unlabelled {
    fn from(error: E) -> Self {
        Self::Task(error.into())
    }
}

/// The networks. If they cannot be used here, the task is tried again later, maybe on another machine; its last try is the one
/// that leaves the job without labels.
pub(super) fn load_networks(
    claim: &Claim,
    context: &TaskContext<'_>,
) -> Result<Arc<Networks>, Unlabelled> {
    context.speaker_networks.networks().map_err(|error| {
        if !claim.is_last_try() {
            return TaskError::SpeakerNetworks(error).into();
        }
        tracing::warn!(
            error = format!("{error:#}"),
            "cannot label speakers: the networks cannot be used"
        );
        Unlabelled::Because(NO_NETWORKS.to_owned())
    })
}

/// The voices of a block of the spool.
pub(super) fn find_in_block(
    networks: &Networks,
    spool: &mut Spool,
    block: &Range<usize>,
    context: &TaskContext<'_>,
) -> Result<BlockVoices, Unlabelled> {
    let samples = spool.samples() as usize;
    spool.need_until(block.end as u64 + WINDOW_SAMPLES);
    let found = networks.find_voices(
        samples,
        block,
        &mut |from, buffer| spool.read(from as u64, buffer),
        &mut |_| !context.control.should_stop(),
    );
    match found {
        Ok(voices) => Ok(voices),
        Err(SpeakersError::Cancelled) => Err(TaskError::Stopped.into()),
        Err(SpeakersError::Read(error)) => Err(AudioError::Spool(error).into()),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot find the voices of a block"
            );
            Err(Unlabelled::Because(FAILED.to_owned()))
        }
    }
}

/// The blocks of a spool that become tasks of their own; none if no speakers are asked for, or if there is only one block.
pub(super) fn task_blocks(claim: &Claim, spool: &Path) -> Result<Vec<Range<u64>>, AudioError> {
    if !claim.options.diarize {
        return Ok(Vec::new());
    }
    let samples = samples_of(spool).map_err(AudioError::Spool)?;
    let blocks = blocks(samples as usize).into_iter();
    let blocks: Vec<Range<u64>> = blocks
        .map(|block| block.start as u64..block.end as u64)
        .collect();
    Ok(if blocks.len() > 1 { blocks } else { Vec::new() })
}

//! Finds out who speaks when in a decoded recording: clusters the voices of its blocks and labels its speakers.
//!
//! A failure never costs the text: the result has a warning instead.

use steno_models::SpeakerTurn;
use steno_speakers::{BlockVoices, Bounds, Diarizer, Networks, SpeakersError, Voices, blocks};
use steno_store::{Claim, Diarization, FoundVoices, StoreError};

use super::find_voices::{FAILED, Unlabelled, find_in_block, load_networks};
use super::known_speakers::KnownSpeakers;
use super::{TaskContext, TaskError};
use crate::audio::{SAMPLE_RATE, Spool};

/// What a task has found in a block of the recording, by the number of the block; `None` if no task has done it.
pub(super) type StoredBlocks<'a> = dyn Fn(u32) -> Result<Option<FoundVoices>, StoreError> + 'a;

pub(super) fn diarize(
    mut spool: Spool,
    stored: &StoredBlocks<'_>,
    claim: &Claim,
    context: &TaskContext<'_>,
) -> Result<Diarization, TaskError> {
    if claim.has_spent_its_tries() {
        return Ok(failed(FAILED.to_owned()));
    }
    match label(&mut spool, stored, claim, context) {
        Ok(labelled) => Ok(labelled),
        Err(Unlabelled::Because(reason)) => Ok(failed(reason)),
        Err(Unlabelled::Task(error)) => Err(error),
    }
}

fn label(
    spool: &mut Spool,
    stored: &StoredBlocks<'_>,
    claim: &Claim,
    context: &TaskContext<'_>,
) -> Result<Diarization, Unlabelled> {
    let networks = load_networks(claim, context)?;
    let voices = collect_voices(&networks, spool, stored, claim, context)?;

    let known = KnownSpeakers::of(claim, context)?;
    let (min, max) = claim.options.speaker_bounds();
    let bounds = Bounds {
        min: min.map(usize::from),
        max: max.map(usize::from),
    };
    let diarizer = Diarizer::new(&networks, bounds).with_known(&known.voices);
    match diarizer.label(&voices, &mut || !context.control.should_stop()) {
        Ok(speakers) => Ok(Diarization {
            turns: speakers.turns.iter().map(in_seconds).collect(),
            known: named(&speakers.known, known.names),
            warnings: known.warnings,
            failed: None,
        }),
        Err(SpeakersError::Cancelled) => Err(TaskError::Stopped.into()),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot label speakers"
            );
            Err(Unlabelled::Because(FAILED.to_owned()))
        }
    }
}

/// The voices of all blocks. Blocks that no task has done are done here: those of a short recording, of a plan of an earlier
/// release, or in a form of another release.
fn collect_voices(
    networks: &Networks,
    spool: &mut Spool,
    stored: &StoredBlocks<'_>,
    claim: &Claim,
    context: &TaskContext<'_>,
) -> Result<Voices, Unlabelled> {
    let job = claim.job_id;
    let samples = spool.samples() as usize;
    let mut voices = Voices::new(samples);
    for (index, block) in blocks(samples).iter().enumerate() {
        if context.control.should_stop() {
            return Err(TaskError::Stopped.into());
        }
        match stored(index as u32)? {
            Some(FoundVoices::Failed(reason)) => return Err(Unlabelled::Because(reason)),
            Some(FoundVoices::Found(bytes)) => {
                let Err(error) = voices.add(block, &BlockVoices::from_bytes(bytes)) else {
                    continue;
                };
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    job.id = %job,
                    "the voices of block {index} of job {job} are found again"
                );
            }
            None => {}
        }

        let own = find_in_block(networks, spool, block, context)?;
        if let Err(error) = voices.add(block, &own) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                job.id = %job,
                "cannot use the voices of block {index} of job {job}"
            );
            return Err(Unlabelled::Because(FAILED.to_owned()));
        }
    }
    Ok(voices)
}

fn failed(reason: String) -> Diarization {
    Diarization {
        failed: Some(reason),
        ..Diarization::default()
    }
}

/// The speakers that were recognised, with their names.
fn named(recognised: &[Option<usize>], names: Vec<String>) -> Vec<(u32, String)> {
    let pairs = recognised.iter().zip(names);
    pairs
        .filter_map(|(speaker, name)| Some(((*speaker)? as u32, name)))
        .collect()
}

fn in_seconds(turn: &steno_speakers::Turn) -> SpeakerTurn {
    let seconds = |sample: u64| (sample * 1000 / u64::from(SAMPLE_RATE)) as f64 / 1000.0;
    SpeakerTurn {
        start: seconds(turn.start),
        end: seconds(turn.end),
        speaker: turn.speaker as u32,
    }
}

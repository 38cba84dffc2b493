//! Finds out who speaks when in a decoded recording. Reads the spool in windows of 10 s, and stores no embeddings.
//!
//! A failure never costs the text: the result has a warning instead.

use steno_models::SpeakerTurn;
use steno_speakers::{Bounds, Diarizer, SpeakersError};
use steno_store::{Claim, Diarization};

use super::known_speakers::KnownSpeakers;
use super::{TaskContext, TaskError};
use crate::audio::{AudioError, SAMPLE_RATE, Spool};

/// For the client, if the operator has not installed the networks.
const NO_NETWORKS: &str = "speakers are not labelled: the server has no networks for it";
/// For the client, if something went wrong.
const FAILED: &str = "speakers are not labelled: they could not be distinguished in this recording";

pub(super) fn diarize(
    mut spool: Spool,
    claim: &Claim,
    context: &TaskContext<'_>,
) -> Result<Diarization, TaskError> {
    if claim.has_spent_its_tries() {
        return Ok(failed(FAILED));
    }
    let networks = match context.voices.networks() {
        Ok(networks) => networks,
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "cannot label speakers: the networks cannot be used"
            );
            return Ok(failed(NO_NETWORKS));
        }
    };

    let known = KnownSpeakers::of(claim, context)?;
    let samples = spool.samples() as usize;
    let (min, max) = claim.options.speaker_bounds();
    let bounds = Bounds {
        min: min.map(usize::from),
        max: max.map(usize::from),
    };
    let diarizer = Diarizer::new(&networks, bounds).with_known(&known.voices);
    let found = diarizer.speakers(
        samples,
        &mut |from, buffer| spool.read(from as u64, buffer),
        &mut |_| !context.control.should_stop(),
    );

    match found {
        Ok(speakers) => Ok(Diarization {
            turns: speakers.turns.iter().map(in_seconds).collect(),
            known: named(&speakers.known, known.names),
            warnings: known.warnings,
            failed: None,
        }),
        Err(SpeakersError::Cancelled) => Err(TaskError::Stopped),
        Err(SpeakersError::Read(error)) => Err(AudioError::Spool(error).into()),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot label speakers"
            );
            Ok(failed(FAILED))
        }
    }
}

fn failed(reason: &str) -> Diarization {
    Diarization {
        failed: Some(reason.to_owned()),
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

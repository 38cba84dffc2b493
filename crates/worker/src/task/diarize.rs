//! Telling the speakers of a decoded recording apart. Reads the spool in windows of 10 s; keeps no voice.
//!
//! What fails here never costs the text: the result says so in a warning.

use std::path::Path;

use steno_models::{SpeakerTurn, TranscribeRequest};
use steno_speakers::{Bounds, Diarizer, SpeakersError};
use steno_store::Diarization;

use super::{TaskContext, TaskError};
use crate::audio::{AudioError, SAMPLE_RATE, Spool};

/// For the client, where the operator has not installed the networks.
const NO_NETWORKS: &str = "speakers were not told apart: the server has no networks for it";
/// For the client, where something went wrong.
const FAILED: &str = "speakers could not be told apart in this recording";

pub(super) fn diarize(
    spool: &Path,
    options: &TranscribeRequest,
    context: &TaskContext<'_>,
) -> Result<Diarization, TaskError> {
    let networks = match context.voices.networks() {
        Ok(networks) => networks,
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "cannot tell speakers apart: the networks cannot be used"
            );
            return Ok(failed(NO_NETWORKS));
        }
    };

    let mut spool = Spool::open(spool).map_err(AudioError::Spool)?;
    let samples = spool.samples() as usize;
    let (min, max) = options.speaker_bounds();
    let bounds = Bounds {
        min: min.map(usize::from),
        max: max.map(usize::from),
    };
    let turns = Diarizer::new(&networks, bounds).turns(
        samples,
        &mut |from, buffer| spool.read(from as u64, buffer),
        &mut |_| !context.control.should_stop(),
    );

    match turns {
        Ok(turns) => Ok(Diarization {
            turns: turns.iter().map(in_seconds).collect(),
            failed: None,
        }),
        Err(SpeakersError::Cancelled) => Err(TaskError::Stopped),
        Err(SpeakersError::Read(error)) => Err(AudioError::Spool(error).into()),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot tell speakers apart"
            );
            Ok(failed(FAILED))
        }
    }
}

fn failed(reason: &str) -> Diarization {
    Diarization {
        turns: Vec::new(),
        failed: Some(reason.to_owned()),
    }
}

fn in_seconds(turn: &steno_speakers::Turn) -> SpeakerTurn {
    let seconds = |sample: u64| (sample * 1000 / u64::from(SAMPLE_RATE)) as f64 / 1000.0;
    SpeakerTurn {
        start: seconds(turn.start),
        end: seconds(turn.end),
        speaker: turn.speaker as u32,
    }
}

//! Who says what in the result of a job. Turns that touch no speech are left out: the networks take some music for a voice.
//! Pure functions.

use std::ops::Range;

use steno_models::{JobResult, SpeakerNames, SpeakerTurn, TranscribeRequest, Warning, WarningCode};

use super::coverage::seconds;
use crate::tasks::finish_diarize::Diarization;

/// Names the speakers of a result. `speech` is in milliseconds, in any order. Speakers that could not be distinguished are a
/// warning, and never cost the text.
pub(super) fn name_speakers(
    result: &mut JobResult,
    diarization: Diarization,
    speech: Vec<Range<u64>>,
    options: &TranscribeRequest,
) {
    let names = SpeakerNames {
        known: &diarization.known,
        in_order: &options.speaker_names,
    };
    let turns = touching(diarization.turns, speech);
    result.name_speakers(&turns, names, options.word_timestamps);

    result.warnings.extend(diarization.warnings);
    if let Some(reason) = diarization.failed {
        let code = WarningCode::DiarizationFailed;
        result.warnings.push(Warning::new(code, reason));
    }
}

/// The turns that overlap with speech.
fn touching(turns: Vec<SpeakerTurn>, mut speech: Vec<Range<u64>>) -> Vec<SpeakerTurn> {
    speech.sort_by_key(|range| range.start);
    let has_speech = |turn: &SpeakerTurn| {
        let next = speech.partition_point(|range| seconds(range.end) <= turn.start);
        speech
            .get(next)
            .is_some_and(|range| seconds(range.start) < turn.end)
    };
    turns.into_iter().filter(has_speech).collect()
}

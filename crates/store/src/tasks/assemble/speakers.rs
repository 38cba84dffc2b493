//! Who says what in the result of a job. Turns are cut to the speech of the plan: the networks take some music for a voice, or for
//! more of the voice before it. Pure functions.

use std::ops::Range;

use steno_models::{JobResult, SpeakerNames, SpeakerTurn, TranscribeRequest, Warning, WarningCode};

use super::coverage::seconds;
use crate::tasks::finish_diarize::Diarization;

/// How far a turn may go beyond speech, in seconds: the detection of speech is accurate to about 0.5 s.
const MARGIN: f64 = 0.5;

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
    let turns = within(diarization.turns, speech);
    result.name_speakers(&turns, names, options.word_timestamps);

    result.warnings.extend(diarization.warnings);
    if let Some(reason) = diarization.failed {
        let code = WarningCode::DiarizationFailed;
        result.warnings.push(Warning::new(code, reason));
    }
}

/// What lies within speech or up to [`MARGIN`] beside it. Turns that touch no speech are left out.
fn within(turns: Vec<SpeakerTurn>, mut speech: Vec<Range<u64>>) -> Vec<SpeakerTurn> {
    speech.sort_by_key(|range| range.start);
    let speech: Vec<(f64, f64)> = speech
        .iter()
        .map(|range| (seconds(range.start), seconds(range.end)))
        .collect();
    let wider = widened(&speech);

    let has_speech = |turn: &SpeakerTurn| !overlaps(turn, &speech).is_empty();
    let with_speech = turns.into_iter().filter(has_speech);
    with_speech
        .flat_map(|turn| {
            let parts = overlaps(&turn, &wider).iter();
            parts.map(move |(start, end)| SpeakerTurn {
                start: turn.start.max(*start),
                end: turn.end.min(*end),
                ..turn
            })
        })
        .collect()
}

/// The stretches with a margin, joined where they meet.
fn widened(speech: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut wider: Vec<(f64, f64)> = Vec::new();
    for (start, end) in speech {
        match wider.last_mut() {
            Some(last) if start - MARGIN <= last.1 => last.1 = end + MARGIN,
            _ => wider.push((start - MARGIN, end + MARGIN)),
        }
    }
    wider
}

/// Those of the stretches, which are in order and disjoint, that overlap with a turn.
fn overlaps<'a>(turn: &SpeakerTurn, stretches: &'a [(f64, f64)]) -> &'a [(f64, f64)] {
    let first = stretches.partition_point(|(_, end)| *end <= turn.start);
    let after = stretches.partition_point(|(start, _)| *start < turn.end);
    &stretches[first..after.max(first)]
}

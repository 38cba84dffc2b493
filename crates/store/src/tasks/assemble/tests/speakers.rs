//! Tests of the speakers of a result.

use steno_models::{SpeakerTurn, Turn};

use super::*;

fn turn(start: f64, end: f64, speaker: u32) -> SpeakerTurn {
    SpeakerTurn {
        start,
        end,
        speaker,
    }
}

/// Assembles spans and compares the turns of each speaker.
fn check(spans: Vec<DoneSpan>, turns: &[SpeakerTurn], expected: &[&[(f64, f64)]]) {
    let facts = RecordingFacts {
        diarization: Some(Diarization {
            turns: turns.to_vec(),
            ..Diarization::default()
        }),
        ..facts("en", Some(0.9))
    };
    let result = assemble(facts, spans);

    let found: Vec<Vec<(f64, f64)>> = result
        .speakers
        .iter()
        .map(|speaker| {
            let turns = speaker.turns.iter();
            turns.map(|Turn { start, end }| (*start, *end)).collect()
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn turns_are_cut_to_speech_and_left_out_beside_it() {
    let talk = span(
        &[(2, 10), (20, 30)],
        vec![said("Hello.", 2.0, 9.5), said("Hello?", 20.5, 30.0)],
        vec![],
    );
    let music = doubtful(span(&[(10, 20), (30, 60)], vec![], vec![]));
    let turns = [
        turn(0.5, 2.0, 0),
        turn(1.5, 8.0, 0),
        turn(11.0, 19.0, 0),
        turn(19.0, 20.5, 1),
        turn(21.0, 29.0, 1),
        turn(29.5, 40.0, 1),
        turn(41.0, 50.0, 1),
    ];
    check(
        vec![talk, music],
        &turns,
        &[&[(1.5, 8.0)], &[(19.5, 20.5), (21.0, 29.0), (29.5, 30.5)]],
    );
}

#[test]
fn doubtful_sound_with_words_has_a_speaker() {
    let quiet = |segments| vec![doubtful(span(&[(0, 10)], segments, vec![]))];
    let turns = [turn(1.0, 4.0, 0), turn(6.0, 9.0, 0)];
    check(
        quiet(vec![said("Hello.", 1.0, 4.0)]),
        &turns,
        &[&[(1.0, 4.0)]],
    );
    check(quiet(vec![]), &turns, &[]);
}

#[test]
fn a_turn_goes_on_over_a_short_pause_and_not_over_music() {
    let said = vec![said("Hello. And good morning.", 0.0, 9.0)];
    let talk = span(&[(0, 4), (5, 9), (20, 24)], said, vec![]);
    let turns = [turn(0.5, 23.0, 0)];
    check(vec![talk], &turns, &[&[(0.5, 9.5), (19.5, 23.0)]]);
}

#[test]
fn spans_may_finish_their_speech_in_any_order() {
    let late = span(&[(20, 30)], vec![said("Bye.", 20.0, 29.0)], vec![]);
    let early = span(&[(0, 10)], vec![said("Hello.", 0.0, 9.0)], vec![]);
    let turns = [turn(0.0, 9.0, 0), turn(12.0, 18.0, 1), turn(20.0, 29.0, 1)];
    check(vec![late, early], &turns, &[&[(20.0, 29.0)], &[(0.0, 9.0)]]);
}

//! Tests of the retries with an engine whose results are scripted.

use super::*;
use crate::engine::text::segments::tests::segment;

const LOOP: &str = "I'm going to be a little bit more careful.";

/// Transcribes 20 s of silence with scripted results, and returns the texts and the tries that were made.
fn check(script: &[&[(&str, f32)]], tries: &[(usize, f32, Window)], expected: &[&str]) {
    let samples = vec![0.0; 20 * 16_000];
    let mut made = Vec::new();
    let mut results = script.iter();
    let found = transcribe(&samples, 0.0, 1, &mut |samples, attempt| {
        made.push((samples.len() / 16_000, attempt.temperature, attempt.window));
        let result = results.next().expect("one more run than the script has");
        let segments = result
            .iter()
            .map(|(text, logprob)| segment(text, *logprob, 0.0))
            .collect();
        Ok(SpanText {
            segments,
            ..SpanText::default()
        })
    })
    .unwrap();
    let texts: Vec<_> = found
        .segments
        .iter()
        .map(|segment| segment.text.as_str())
        .collect();
    assert_eq!(texts, expected);
    assert_eq!(made, tries);
}

#[test]
fn sound_words_take_one_run() {
    check(
        &[&[("Ask not.", -0.3)]],
        &[(20, 0.0, Window::Fitted)],
        &["Ask not."],
    );
    check(&[&[]], &[(20, 0.0, Window::Fitted)], &[]);
}

/// What five beams and then greedy decoding find, the beams of the runs, and the text that is kept.
fn check_beams(script: &[&str], beams: &[u8], expected: &[&str]) {
    let mut texts = script.iter();
    let mut made = Vec::new();
    let found = transcribe(&vec![0.0; 32_000], 0.0, 5, &mut |_, attempt| {
        made.push(attempt.beam_size);
        let text = texts.next().expect("one more run than the script has");
        let mut said = segment(text, -0.2, 0.0);
        said.tokens = vec![1; text.chars().count()];
        Ok(SpanText {
            segments: vec![said],
            ..SpanText::default()
        })
    })
    .unwrap();
    let texts = found.segments.iter().map(|segment| segment.text.as_str());
    assert_eq!(texts.collect::<Vec<_>>(), expected);
    assert_eq!(made, beams);
}

#[test]
fn beams_that_write_punctuation_alone_are_followed_by_greedy_decoding() {
    check_beams(&["Ask not."], &[5], &["Ask not."]);
    let loop_of_stops = "।".repeat(20);
    check_beams(&[&loop_of_stops, "अब बेचारी"], &[5, 1], &["अब बेचारी"]);
    check_beams(&[&loop_of_stops, &loop_of_stops], &[5, 1], &[]);
    check_beams(&["..."], &[5], &[]);
}

#[test]
fn a_short_word_that_beams_repeat_is_believed_if_greedy_decoding_repeats_it() {
    let chant = "Ah, la la la la la la la la.";
    check_beams(&[chant, "All aboard!"], &[5, 1], &["All aboard!"]);
    let laughter = "Ha ha ha ha ha ha.";
    check_beams(&[chant, laughter, chant], &[5, 1, 5], &[chant]);
    check_beams(&["No, no, no!"], &[5], &["No, no, no!"]);
}

#[test]
fn words_that_beams_find_unlikely_are_not_searched_again() {
    let mut runs = 0;
    let found = transcribe(&vec![0.0; 32_000], 0.0, 5, &mut |_, _| {
        runs += 1;
        Ok(SpanText {
            segments: vec![segment("Thank you for watching this.", -2.0, 0.9)],
            ..SpanText::default()
        })
    });
    assert!(found.unwrap().segments.is_empty());
    assert_eq!(runs, 1);
}

/// The tries that were made with beams, of a script of texts, and the text that is kept.
fn check_second_look(script: [(&str, f32); 2], expected: &str) {
    let mut texts = script.iter();
    let mut beams = Vec::new();
    let found = transcribe(&vec![0.0; 32_000], 0.0, 1, &mut |_, attempt| {
        beams.push(attempt.beam_size);
        let (text, logprob) = texts.next().expect("two runs");
        Ok(SpanText {
            segments: vec![segment(text, *logprob, 0.0)],
            ..SpanText::default()
        })
    })
    .unwrap();
    assert_eq!(beams, [1, SECOND_LOOK_BEAMS]);
    assert_eq!(found.segments[0].text, expected);
}

#[test]
fn doubtful_words_get_a_second_look() {
    check_second_look(
        [("Seven f clubs.", -0.7), ("Seven of clubs.", -0.5)],
        "Seven of clubs.",
    );
    check_second_look(
        [("Seven of clubs.", -0.7), ("Seven f clubs.", -0.9)],
        "Seven of clubs.",
    );
}

#[test]
fn a_repeated_phrase_is_kept_if_two_runs_agree() {
    let twice = "He could wait no longer. He could wait no longer.";
    check_second_look(
        [(twice, -0.2), ("He could wait no longer.", -0.3)],
        "He could wait no longer.",
    );
    check_second_look([(twice, -0.2), (twice, -0.1)], twice);
}

#[test]
fn a_fitted_context_in_distress_is_widened() {
    check(
        &[&[(LOOP, -0.1); 6], &[("Ask not.", -0.3)]],
        &[(20, 0.0, Window::Fitted), (20, 0.0, Window::Full)],
        &["Ask not."],
    );
}

#[test]
fn doubtful_words_on_which_two_runs_agree_are_kept() {
    let doubtful: &[(&str, f32)] = &[("A hard word.", -1.1)];
    check(
        &[doubtful, doubtful],
        &[(20, 0.0, Window::Fitted), (20, 0.0, Window::Full)],
        &["A hard word."],
    );
}

#[test]
fn hallucinated_words_are_dropped() {
    let hallucinated: &[(&str, f32)] = &[("Thank you.", -2.0)];
    check(
        &[hallucinated, hallucinated],
        &[(20, 0.0, Window::Fitted), (20, 0.0, Window::Full)],
        &[],
    );
}

#[test]
fn unlikely_words_that_a_client_asked_for_are_kept() {
    let unlikely = || SpanText {
        segments: vec![segment("A wild guess.", -1.9, 0.0)],
        ..SpanText::default()
    };
    let found = transcribe(&vec![0.0; 32_000], 0.9, 1, &mut |_, _| Ok(unlikely())).unwrap();
    assert_eq!(found.segments.len(), 1);
}

#[test]
fn a_loop_is_split_and_tried_at_higher_temperatures_and_never_said_five_times() {
    let turns: &[(&str, f32)] = &[(LOOP, -0.2); 6];
    check(
        &[
            turns,
            turns,
            &[("The first half.", -0.2)],
            turns,
            turns,
            turns,
        ],
        &[
            (20, 0.0, Window::Fitted),
            (20, 0.0, Window::Full),
            (6, 0.0, Window::Fitted),
            (13, 0.0, Window::Fitted),
            (13, 0.4, Window::Fitted),
            (13, 0.8, Window::Fitted),
        ],
        &["The first half.", LOOP],
    );
}

#[test]
fn a_loop_begun_in_doubt_is_dropped_whole() {
    let mut turns = vec![(LOOP, -0.2); 6];
    turns[0].1 = -1.6;
    let nothing: &[(&str, f32)] = &[];
    let turns: &[(&str, f32)] = &turns;
    check(
        &[turns, turns, turns, turns, turns, nothing],
        &[
            (20, 0.0, Window::Fitted),
            (20, 0.0, Window::Full),
            (6, 0.0, Window::Fitted),
            (6, 0.4, Window::Fitted),
            (6, 0.8, Window::Fitted),
            (13, 0.0, Window::Fitted),
        ],
        &[],
    );
}

#[test]
fn the_cut_lies_in_the_quiet() {
    let mut samples = vec![0.5; 30 * 16_000];
    samples[13 * 16_000..14 * 16_000].fill(0.0);
    assert!((13 * 16_000..14 * 16_000).contains(&quietest(&samples)));
}

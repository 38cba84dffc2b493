//! Tests of [`assemble`](super::assemble).

use steno_models::{Gap, GapReason};

use super::*;
use crate::tasks::types::Certainty;

mod channels;
mod speakers;

/// A segment of `text` from `start` to `end` seconds.
fn said(text: &str, start: f64, end: f64) -> Segment {
    Segment {
        start,
        end,
        text: text.to_owned(),
        avg_logprob: -0.2,
        ..Segment::default()
    }
}

fn spoken_in(language: &str, start: f64, end: f64) -> Segment {
    Segment {
        language: Some(language.to_owned()),
        ..said("Words.", start, end)
    }
}

fn dropped(start: f64, end: f64, reason: GapReason) -> Gap {
    Gap { start, end, reason }
}

/// A span over stretches that are given in seconds.
fn span(stretches: &[(u64, u64)], segments: Vec<Segment>, dropped: Vec<Gap>) -> DoneSpan {
    let stretches = stretches
        .iter()
        .map(|(start, end)| (start * 16_000, end * 16_000))
        .collect();
    DoneSpan {
        plan: PlannedSpan {
            stretches,
            certainty: Certainty::Speech,
            language: None,
        },
        output: SpanOutput {
            segments,
            dropped,
            sounds_like: None,
        },
    }
}

fn doubtful(span: DoneSpan) -> DoneSpan {
    DoneSpan {
        plan: PlannedSpan {
            certainty: Certainty::Doubtful,
            ..span.plan
        },
        ..span
    }
}

fn facts(language: &str, probability: Option<f32>) -> RecordingFacts {
    RecordingFacts {
        language: Some(language.to_owned()),
        language_probability: probability,
        duration_ms: 60_000,
        model: "base".to_owned(),
        diarization: None,
        options: TranscribeRequest::default(),
        warnings: Vec::new(),
    }
}

/// Assembles spans and compares seconds of speech, seconds with text, and gaps.
fn check(spans: Vec<DoneSpan>, speech: f64, transcribed: f64, gaps: &[(f64, f64, &str)]) {
    let result = assemble(facts("en", Some(0.9)), spans);
    let coverage = result.coverage.unwrap();

    let found: Vec<_> = coverage
        .gaps
        .iter()
        .map(|gap| (gap.start, gap.end, gap.reason.as_str()))
        .collect();
    assert_eq!(found, gaps);
    assert_eq!(
        (coverage.speech_seconds, coverage.transcribed_seconds),
        (speech, transcribed)
    );

    let missing: f64 = coverage.gaps.iter().map(|gap| gap.end - gap.start).sum();
    assert!(
        (speech - transcribed - missing).abs() < 1e-6,
        "the gaps add up"
    );
    let warned = result
        .warnings
        .iter()
        .any(|warning| warning.code == WarningCode::SpeechNotTranscribed);
    assert_eq!(warned, !gaps.is_empty(), "a gap is always warned of");
}

#[test]
fn speech_with_text_has_no_gap() {
    check(
        vec![span(
            &[(0, 10)],
            vec![said("Hello there.", 0.4, 9.2)],
            vec![],
        )],
        10.0,
        10.0,
        &[],
    );
    check(vec![], 0.0, 0.0, &[]);
}

#[test]
fn a_span_without_words_is_a_gap() {
    let silent = span(&[(20, 22), (23, 25)], vec![], vec![]);
    let spans = vec![
        span(&[(0, 10)], vec![said("Hello.", 0.0, 10.0)], vec![]),
        silent,
    ];
    check(
        spans,
        14.0,
        10.0,
        &[(20.0, 22.0, "no_words"), (23.0, 25.0, "no_words")],
    );
}

#[test]
fn a_span_all_of_whose_text_was_dropped_is_one_gap() {
    let cut = vec![
        dropped(0.0, 3.3, GapReason::Hallucination),
        dropped(3.4, 3.6, GapReason::NoSpeech),
    ];
    check(
        vec![span(&[(0, 4)], vec![], cut)],
        4.0,
        0.0,
        &[(0.0, 4.0, "hallucination")],
    );
}

#[test]
fn gaps_of_neighbouring_spans_are_one() {
    let spans = vec![
        span(&[(0, 20)], vec![], vec![]),
        span(&[(20, 30)], vec![], vec![]),
    ];
    check(spans, 30.0, 0.0, &[(0.0, 30.0, "no_words")]);
}

#[test]
fn dropped_text_is_a_gap_with_its_reason() {
    let text = vec![said("Hello.", 0.0, 4.0)];
    let cut = vec![
        dropped(4.0, 8.0, GapReason::Repetition),
        dropped(8.0, 10.0, GapReason::Hallucination),
    ];
    let expected = [(4.0, 8.0, "repetition"), (8.0, 10.0, "hallucination")];
    check(vec![span(&[(0, 10)], text, cut)], 10.0, 4.0, &expected);
}

#[test]
fn dropped_text_beside_speech_or_under_other_text_is_no_gap() {
    let text = vec![said("Hello.", 0.0, 10.0)];
    let cut = vec![
        dropped(2.0, 8.0, GapReason::Repetition),
        dropped(12.0, 20.0, GapReason::Hallucination),
    ];
    check(vec![span(&[(0, 10)], text, cut)], 10.0, 10.0, &[]);
}

#[test]
fn long_speech_beside_text_is_a_gap_and_short_speech_is_not() {
    let late = |start| vec![span(&[(0, 10)], vec![said("Hello.", start, 10.0)], vec![])];
    check(late(1.9), 10.0, 10.0, &[]);
    check(late(3.0), 10.0, 7.0, &[(0.0, 3.0, "no_words")]);
}

#[test]
fn a_whole_stretch_without_text_is_a_gap() {
    let text = vec![said("Hello.", 0.0, 4.0), said("Bye.", 7.0, 9.0)];
    check(
        vec![span(&[(0, 4), (5, 6), (7, 9)], text, vec![])],
        7.0,
        6.0,
        &[(5.0, 6.0, "no_words")],
    );
}

#[test]
fn doubtful_sound_counts_as_speech_only_where_it_has_words() {
    check(
        vec![doubtful(span(&[(0, 10)], vec![], vec![]))],
        0.0,
        0.0,
        &[],
    );
    let noise = vec![dropped(0.0, 10.0, GapReason::Hallucination)];
    check(
        vec![doubtful(span(&[(0, 10)], vec![], noise))],
        0.0,
        0.0,
        &[],
    );
    check(
        vec![doubtful(span(
            &[(0, 10)],
            vec![said("Hello.", 2.0, 5.0)],
            vec![],
        ))],
        3.0,
        3.0,
        &[],
    );
}

#[test]
fn one_gap_is_warned_of_with_its_place() {
    let result = assemble(facts("en", None), vec![span(&[(3, 8)], vec![], vec![])]);
    let [warning] = result.warnings.as_slice() else {
        panic!("{:?}", result.warnings)
    };
    assert_eq!((warning.start, warning.end), (Some(3.0), Some(8.0)));
    assert_eq!(
        warning.detail,
        "5.0 s of 5.0 s of speech have no text (no_words)"
    );
}

#[test]
fn warnings_of_the_recording_come_first() {
    let truncated = Warning::new(WarningCode::Truncated, "the file is cut off");
    let facts = RecordingFacts {
        warnings: vec![truncated.clone()],
        ..facts("en", None)
    };
    let result = assemble(facts, vec![span(&[(0, 5)], vec![], vec![])]);
    assert_eq!(result.warnings[0], truncated);
    assert_eq!(result.warnings.len(), 2);
}

#[test]
fn much_doubtful_text_is_warned_of() {
    let unlikely = |start, end| Segment {
        avg_logprob: -1.2,
        ..said("Hm.", start, end)
    };
    let result = |segments| assemble(facts("en", None), vec![span(&[(0, 40)], segments, vec![])]);

    let much = result(vec![said("Hello.", 0.0, 30.0), unlikely(30.0, 40.0)]);
    let [warning] = much.warnings.as_slice() else {
        panic!("{:?}", much.warnings)
    };
    assert_eq!(warning.code, WarningCode::LowConfidence);
    assert_eq!((warning.start, warning.end), (Some(30.0), Some(40.0)));

    let little = result(vec![said("Hello.", 0.0, 39.0), unlikely(39.0, 40.0)]);
    assert!(little.warnings.is_empty(), "{:?}", little.warnings);
}

#[test]
fn several_languages_are_listed_by_their_time_and_warned_of() {
    let spans = vec![
        span(&[(0, 10)], vec![spoken_in("es", 0.0, 10.0)], vec![]),
        span(&[(10, 30)], vec![spoken_in("en", 10.0, 30.0)], vec![]),
    ];
    let result = assemble(facts("en", Some(0.9)), spans);
    assert_eq!(result.languages, ["en", "es"]);
    assert_eq!(
        (result.language.as_deref(), result.language_probability),
        (Some("en"), Some(0.9))
    );
    let [warning] = result.warnings.as_slice() else {
        panic!("{:?}", result.warnings)
    };
    assert_eq!(warning.code, WarningCode::SeveralLanguages);
    assert_eq!(
        warning.detail,
        "several languages are spoken: en 20 s, es 10 s"
    );
}

#[test]
fn one_language_makes_no_list_and_no_warning() {
    let result = assemble(
        facts("en", Some(0.9)),
        vec![span(&[(0, 9)], vec![spoken_in("en", 0.0, 9.0)], vec![])],
    );
    assert!(result.languages.is_empty() && result.warnings.is_empty());
}

#[test]
fn a_language_that_was_asked_for_in_vain_is_warned_of() {
    let result = assemble(
        facts("de", None),
        vec![span(&[(0, 9)], vec![spoken_in("en", 0.0, 9.0)], vec![])],
    );
    assert_eq!(result.language.as_deref(), Some("en"));
    let [warning] = result.warnings.as_slice() else {
        panic!("{:?}", result.warnings)
    };
    assert_eq!(warning.code, WarningCode::LanguageMismatch);
    assert_eq!(
        warning.detail,
        "the request named the language de, but the speech sounds like en for 9.0 s"
    );
}

#[test]
fn speech_that_sounds_like_another_language_than_the_requested_one_is_warned_of() {
    let mut done = span(&[(0, 9)], vec![spoken_in("ru", 0.0, 9.0)], vec![]);
    done.output.sounds_like = Some("es".to_owned());
    let result = assemble(facts("ru", None), vec![done]);
    assert_eq!(result.language.as_deref(), Some("ru"));
    let [warning] = result.warnings.as_slice() else {
        panic!("{:?}", result.warnings)
    };
    assert_eq!(
        warning.detail,
        "the request named the language ru, but the speech sounds like es for 9.0 s"
    );
}

#[test]
fn spans_of_an_earlier_release_assemble() {
    let result = assemble(
        facts("fr", Some(0.8)),
        vec![span(&[(0, 9)], vec![said("Bonjour.", 0.0, 9.0)], vec![])],
    );
    assert_eq!(
        (result.language.as_deref(), result.language_probability),
        (Some("fr"), Some(0.8))
    );
    assert!(result.languages.is_empty() && result.warnings.is_empty());
}

#[test]
fn texts_are_joined_as_their_script_is_written() {
    let check = |texts: &[&[&str]], expected: &str| {
        let spans = texts.iter().map(|texts| {
            let segments = texts.iter().map(|text| said(text, 0.0, 1.0));
            span(&[(0, 1)], segments.collect(), Vec::new())
        });
        let channels = vec![spans.collect()];
        let Joined { text, segments, .. } = join(channels, &TranscribeRequest::default());
        assert_eq!(text, expected);
        assert!(
            segments
                .iter()
                .enumerate()
                .all(|(id, segment)| segment.id == id as u32)
        );
    };
    check(&[&["Hello", "there."], &["Bye."]], "Hello there. Bye.");
    check(
        &[&["真っ昼間なのに"], &["電柱に。"]],
        "真っ昼間なのに電柱に。",
    );
    check(&[&["これは"], &["API", "です"]], "これは API です");
    check(&[&[], &[]], "");
}

#[test]
fn sound_without_words_has_no_detected_language() {
    let noise = || vec![doubtful(span(&[(0, 5)], Vec::new(), Vec::new()))];
    let detected = assemble(facts("nn", Some(0.4)), noise());
    assert_eq!(
        (detected.language, detected.language_probability),
        (None, None)
    );

    let named = assemble(facts("en", None), noise());
    assert_eq!(named.language.as_deref(), Some("en"));
}

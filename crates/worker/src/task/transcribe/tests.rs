//! Tests of the `transcribe` task with an engine whose texts are written down.

use std::time::Duration;

use steno_models::GapReason;
use steno_store::{DataDir, Files};

use steno_models::Segment;

use super::*;
use crate::Control;
use crate::audio::Limits;
use crate::decode_process::{DecodeSettings, MemoryKills};
use crate::engine::{DetectedLanguage, EngineError};

/// Detects one language, and has text in some languages: code and mean log probability.
struct Script {
    detects: (&'static str, f32),
    texts: &'static [(&'static str, f32)],
    runs: Vec<String>,
}

impl Session for Script {
    fn detect_languages(
        &mut self,
        _: &[f32],
        _: &str,
        _: &dyn Control,
    ) -> Result<Vec<DetectedLanguage>, EngineError> {
        self.runs.push("detect".to_owned());
        Ok(vec![detected(self.detects.0, self.detects.1)])
    }

    fn no_speech_probability(
        &mut self,
        _: &[f32],
        _: &str,
        _: &dyn Control,
    ) -> Result<f32, EngineError> {
        Ok(0.0)
    }

    fn transcribe(
        &mut self,
        _: &[f32],
        request: &EngineRequest,
        _: &dyn Control,
    ) -> Result<SpanText, EngineError> {
        self.runs.push(request.language.clone());
        let text = self
            .texts
            .iter()
            .find(|(code, _)| *code == request.language);
        let segments = text.map(|(_, avg_logprob)| Segment {
            end: 1.0,
            text: if request.language == "gu" {
                "。。。。 a"
            } else {
                "Words."
            }
            .to_owned(),
            avg_logprob: *avg_logprob,
            tokens: vec![1],
            ..Segment::default()
        });
        Ok(SpanText {
            segments: segments.into_iter().collect(),
            ..SpanText::default()
        })
    }
}

fn detected(code: &str, probability: f32) -> DetectedLanguage {
    DetectedLanguage {
        code: code.to_owned(),
        probability,
    }
}

struct NeverStop;

impl Control for NeverStop {
    fn should_stop(&self) -> bool {
        false
    }
}

/// Transcribes a second of a span in `language`, which the client named or not, and compares the runs, the language of the
/// text, and the language it sounds like.
fn check(
    span: (&str, bool, Certainty),
    detects: (&'static str, f32),
    texts: &'static [(&'static str, f32)],
    runs: &[&str],
    expected: (Option<&str>, Option<&str>),
) {
    check_among(span, &[], detects, texts, runs, expected);
}

/// The same with alternatives.
fn check_among(
    (language, is_named, certainty): (&str, bool, Certainty),
    alternatives: &[&str],
    detects: (&'static str, f32),
    texts: &'static [(&'static str, f32)],
    runs: &[&str],
    expected: (Option<&str>, Option<&str>),
) {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool.pcm");
    std::fs::write(&spool, vec![0; 32_000]).unwrap();
    let mut spool = Spool::open(&spool).unwrap();
    let limits = Limits::default();
    let context = TaskContext {
        files: &Files::in_folder(&DataDir::create(&folder.path().join("data")).unwrap()),
        decode: &DecodeSettings {
            ffmpeg: None,
            limits,
            memory_bytes: 1,
            stall_timeout: Duration::ZERO,
            disk_reserve_bytes: 0,
        },
        memory_kills: &MemoryKills::default(),
        speaker_networks: &crate::speaker_networks::SpeakerNetworks::new(None, false),
        model: "base",
        control: &NeverStop,
    };
    let options = TranscribeRequest {
        language: is_named.then(|| language.to_owned()),
        ..TranscribeRequest::default()
    };
    let span = PlannedSpan {
        stretches: vec![(0, 16_000)],
        certainty,
        language: None,
    };
    let mut session = Script {
        detects,
        texts,
        runs: Vec::new(),
    };

    let alternatives: Vec<_> = alternatives
        .iter()
        .map(|code| detected(code, 0.2))
        .collect();
    let job = SpanJob {
        options: &options,
        language,
        alternatives: &alternatives,
        span: &span,
    };
    let output = transcribe_span(&mut spool, &job, &context, &mut session).unwrap();

    assert_eq!(session.runs, runs);
    let written = output
        .segments
        .first()
        .and_then(|segment| segment.language.as_deref());
    assert_eq!((written, output.sounds_like.as_deref()), expected);
}

const NAMED: bool = true;
const DETECTED: bool = false;

#[test]
fn likely_text_takes_one_run() {
    check(
        ("en", DETECTED, Certainty::Speech),
        ("es", 0.9),
        &[("en", -0.3)],
        &["en"],
        (Some("en"), None),
    );
    check(
        ("en", NAMED, Certainty::Speech),
        ("es", 0.9),
        &[("en", -0.5)],
        &["en"],
        (Some("en"), None),
    );
}

#[test]
fn a_language_without_text_is_replaced_by_the_one_that_is_spoken() {
    let texts = &[("es", -0.4)];
    for is_named in [NAMED, DETECTED] {
        check(
            ("en", is_named, Certainty::Speech),
            ("es", 0.9),
            texts,
            &["en", "detect", "es"],
            (Some("es"), None),
        );
        check(
            ("en", is_named, Certainty::Speech),
            ("es", 0.4),
            texts,
            &["en", "detect"],
            (None, None),
        );
    }
    check(
        ("en", NAMED, Certainty::Speech),
        ("en", 0.9),
        texts,
        &["en", "detect"],
        (None, None),
    );
}

#[test]
fn unlikely_text_in_a_detected_language_is_replaced_by_a_better_one() {
    let better = &[("en", -1.1), ("es", -0.4)];
    let worse = &[("en", -1.1), ("es", -1.4)];
    let span = ("en", DETECTED, Certainty::Speech);
    check(
        span,
        ("es", 0.9),
        better,
        &["en", "detect", "es"],
        (Some("es"), None),
    );
    check(
        span,
        ("es", 0.9),
        worse,
        &["en", "detect", "es"],
        (Some("en"), None),
    );
    check(
        span,
        ("es", 0.7),
        better,
        &["en", "detect"],
        (Some("en"), None),
    );
}

#[test]
fn a_named_language_that_gives_text_is_kept_and_doubted_aloud() {
    let texts = &[("ru", -0.7), ("nn", -0.7), ("es", -0.4)];
    check(
        ("ru", NAMED, Certainty::Speech),
        ("es", 0.9),
        texts,
        &["ru", "detect"],
        (Some("ru"), Some("es")),
    );
    check(
        ("ru", NAMED, Certainty::Speech),
        ("es", 0.7),
        texts,
        &["ru", "detect"],
        (Some("ru"), None),
    );
    check(
        ("nn", NAMED, Certainty::Speech),
        ("no", 0.9),
        texts,
        &["nn", "detect"],
        (Some("nn"), None),
    );
}

#[test]
fn where_the_detection_was_unsure_the_likeliest_text_wins() {
    let span = ("zh", DETECTED, Certainty::Speech);
    let alternatives = &["ja", "en"];
    let check = |texts, runs: &[&str], expected| {
        check_among(
            span,
            alternatives,
            ("zh", 0.5),
            texts,
            runs,
            (expected, None),
        );
    };
    check(&[("zh", -0.2), ("en", -0.1)], &["zh"], Some("zh"));
    check(&[("en", -0.4)], &["zh", "ja", "en"], Some("en"));
    check(
        &[("zh", -0.7), ("ja", -0.45), ("en", -0.4)],
        &["zh", "ja", "en"],
        Some("en"),
    );
    check(
        &[("zh", -0.9), ("ja", -0.6)],
        &["zh", "ja", "en"],
        Some("zh"),
    );
    check(&[("zh", -0.5), ("ja", -0.2)], &["zh", "ja"], Some("ja"));
    check(
        &[("zh", -0.5), ("ja", -0.7)],
        &["zh", "ja", "en"],
        Some("zh"),
    );
    check(&[], &["zh", "ja", "en"], None);

    let punctuation: &[(&str, f32)] = &[("gu", -0.1)];
    check_among(
        span,
        &["gu"],
        ("zh", 0.5),
        punctuation,
        &["zh", "gu"],
        (None, None),
    );
}

#[test]
fn doubtful_sound_gets_no_second_look() {
    check(
        ("en", NAMED, Certainty::Doubtful),
        ("es", 0.9),
        &[("es", -0.4)],
        &["en"],
        (None, None),
    );
}

#[test]
fn times_of_text_and_of_dropped_text_are_those_of_the_recording() {
    let stretch = |start: u64, end: u64| Stretch {
        start_sample: start * 16_000,
        end_sample: end * 16_000,
    };
    let span = Span {
        stretches: vec![stretch(10, 14), stretch(20, 24)],
        doubtful: false,
    };
    let text = SpanText {
        segments: vec![Segment {
            start: 0.5,
            end: 3.0,
            ..Segment::default()
        }],
        dropped: vec![Gap {
            start: 5.0,
            end: 7.0,
            reason: GapReason::Repetition,
        }],
        ..SpanText::default()
    };

    let output = locate(text, &span, "en");

    let [segment] = output.segments.as_slice() else {
        panic!("{output:?}")
    };
    assert_eq!((segment.start, segment.end), (10.5, 13.0));
    assert_eq!(segment.language.as_deref(), Some("en"));
    assert_eq!(
        output.dropped,
        [Gap {
            start: 21.0,
            end: 23.0,
            reason: GapReason::Repetition
        }]
    );
}

#[test]
fn unlikely_text_is_better_than_none_where_there_is_speech() {
    let said = |text: &str| {
        vec![Segment {
            text: text.to_owned(),
            ..Segment::default()
        }]
    };
    let unlikely = SpanText {
        unlikely: said("gattaymi gireb"),
        ..SpanText::default()
    };
    assert_eq!(with_unlikely(unlikely).segments, said("gattaymi gireb"));

    let noise = SpanText {
        unlikely: said("..."),
        ..SpanText::default()
    };
    assert!(with_unlikely(noise).segments.is_empty());

    let likely = SpanText {
        segments: said("Yes."),
        unlikely: said("gattaymi"),
        ..SpanText::default()
    };
    assert_eq!(with_unlikely(likely).segments, said("Yes."));
}

//! What a result says about itself: coverage, warnings, languages; in json, on the command line and in the metrics.

use std::fs;
use std::path::PathBuf;

use steno_e2e::{Service, Settings, fixture, word_error_rate};
use steno_models::{GapReason, JobResult, WarningCode};

fn codes(result: &JobResult) -> Vec<&str> {
    result
        .warnings
        .iter()
        .map(|warning| warning.code.as_str())
        .collect()
}

/// The value of a counter in `/metrics`, 0 if it is not there.
fn counter(service: &Service, name: &str) -> u64 {
    let text = service.client.get("/metrics").text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    line.unwrap_or(0)
}

/// A recording that ends in the middle of its data.
fn cut_off(service: &Service) -> PathBuf {
    let whole = fs::read(fixture("clip.opus")).unwrap();
    let path = service.scratch().join("cut.opus");
    fs::write(&path, &whole[..whole.len() * 9 / 10]).unwrap();
    path
}

#[test]
fn a_result_says_that_all_speech_has_text() {
    let service = Settings::with_workers(1).start();
    let job = service.client.submit(&fixture("long.opus"), "language=en");
    let ended = service.client.wait(job);
    let result = ended.result.unwrap();

    let coverage = result.coverage.clone().unwrap();
    assert!(coverage.gaps.is_empty(), "{coverage:?}");
    assert!(
        coverage.speech_seconds > 50.0 && coverage.speech_seconds <= result.duration_seconds,
        "{coverage:?}"
    );
    assert_eq!(
        coverage.speech_seconds.to_bits(),
        coverage.transcribed_seconds.to_bits()
    );
    assert_eq!(codes(&result), Vec::<&str>::new());
    assert!(
        result
            .segments
            .iter()
            .all(|segment| segment.language.as_deref() == Some("en"))
    );
}

#[test]
fn a_warning_is_in_the_result_on_the_command_line_and_in_the_metrics() {
    let service = Settings::with_workers(1).start();
    let recording = cut_off(&service);

    let job = service.client.submit(&recording, "language=en");
    let result = service.client.wait(job).result.unwrap();
    assert_eq!(codes(&result), ["truncated"]);
    let verbose = service
        .client
        .get(&format!("/transcribe/{job}?format=verbose_json&keep=true"))
        .json();
    assert_eq!(verbose["warnings"][0]["code"], "truncated");
    assert!(verbose["coverage"]["speech_seconds"].is_number());

    let (code, text, log) = service.cli(&[
        "transcribe",
        recording.to_str().unwrap(),
        "--language",
        "en",
    ]);
    assert_eq!(code, Some(0), "{log}");
    assert!(text.to_lowercase().contains("weather"), "{text}");
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("warning: "))
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(
        lines[0].contains("cut.opus: warning: ") && lines[0].ends_with("(truncated)"),
        "{log}"
    );

    assert_eq!(
        counter(&service, r#"steno_result_warnings_total{code="truncated"}"#),
        2
    );
}

#[test]
fn text_that_was_dropped_is_a_gap_with_its_reason() {
    let service = Settings::with_scripted_workers(1).start();
    let job = service
        .client
        .submit(&fixture("clip.wav"), "language=en&prompt=hallucinate");
    let result = service.client.wait(job).result.unwrap();

    assert_eq!(result.text, "");
    let coverage = result.coverage.clone().unwrap();
    assert!(coverage.transcribed_seconds <= 0.0, "{coverage:?}");
    let gap: f64 = coverage.gaps.iter().map(|gap| gap.end - gap.start).sum();
    assert!(
        gap > 2.0 && (gap - coverage.speech_seconds).abs() < 1e-6,
        "{coverage:?}"
    );
    assert!(
        coverage
            .gaps
            .iter()
            .all(|gap| gap.reason == GapReason::Hallucination),
        "{coverage:?}"
    );
    assert_eq!(codes(&result), ["speech_not_transcribed"]);
    assert_eq!(
        counter(
            &service,
            r#"steno_result_warnings_total{code="speech_not_transcribed"}"#
        ),
        1
    );
}

#[test]
fn a_wrong_language_does_not_empty_a_result() {
    let service = Settings::with_scripted_workers(1).start();
    let job = service
        .client
        .submit(&fixture("long.opus"), "language=de&prompt=only:en");
    let result = service.client.wait(job).result.unwrap();

    assert_eq!(result.language.as_deref(), Some("en"));
    assert!(
        result.segments.len() > 1 && result.coverage.clone().unwrap().gaps.is_empty(),
        "{result:?}"
    );
    assert_eq!(codes(&result), [WarningCode::LanguageMismatch.as_str()]);
}

#[test]
fn cantonese_is_transcribed_as_chinese_with_a_warning_where_the_weights_do_not_know_it() {
    let service = Settings::with_workers(1).start();
    let job = service.client.submit(&fixture("clip.opus"), "language=yue");
    let result = service.client.wait(job).result.unwrap();
    assert!(
        codes(&result).contains(&WarningCode::LanguageUnknown.as_str()),
        "{:?}",
        result.warnings
    );

    let english = service.client.submit(&fixture("clip.opus"), "language=en");
    let result = service.client.wait(english).result.unwrap();
    assert_eq!(codes(&result), Vec::<&str>::new());
}

#[test]
fn each_language_of_a_recording_is_transcribed() {
    let service = Settings::with_workers(2).start();
    let job = service.client.submit(&fixture("two_languages.opus"), "");
    let result = service.client.wait(job).result.unwrap();

    assert_eq!(result.language.as_deref(), Some("en"));
    assert_eq!(result.languages, ["en", "es"]);
    assert_eq!(codes(&result), ["several_languages"]);
    let expected = fs::read_to_string(fixture("two_languages.txt")).unwrap();
    let expected: Vec<_> = expected.lines().collect();
    let said = |code: &str| {
        let segments = result
            .segments
            .iter()
            .filter(|segment| segment.language.as_deref() == Some(code));
        segments
            .map(|segment| segment.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let english = [expected[0], expected[2]].join(" ");
    assert!(
        word_error_rate(&english, &said("en")) < 0.2,
        "{}",
        said("en")
    );
    // The synthesiser's Spanish is hard to understand; translated or spelled as English it would share no word.
    assert!(
        word_error_rate(expected[1], &said("es")) < 0.6,
        "{}",
        said("es")
    );

    let only = service
        .client
        .submit(&fixture("two_languages.opus"), "languages=en,fr");
    assert_eq!(
        service.client.wait(only).result.unwrap().languages,
        Vec::<String>::new()
    );
}

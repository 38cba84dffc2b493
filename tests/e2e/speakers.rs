//! Speakers: a conversation of two voices, in every answer that names them.

use std::os::unix::fs::symlink;

use steno_e2e::{Service, Settings, fixture};
use steno_models::{JobResult, WarningCode};
use steno_weights::Cache;

/// The speakers of the lines of the conversation, in order.
const TURNS: [&str; 8] = ["A", "B", "A", "B", "A", "B", "A", "B"];

/// A service with the speaker networks, or `None` with a message where they are not installed.
fn service() -> Option<Service> {
    let service = Settings::with_workers(1).start();
    let (code, list, _) = service.cli(&["weights", "list"]);
    assert_eq!(code, Some(0));
    let is_installed = list
        .lines()
        .any(|line| line.starts_with("speakers ") && line.contains("installed"));
    if !is_installed {
        println!("skipped: run `steno weights pull speakers` first");
    }
    is_installed.then_some(service)
}

fn transcribe(service: &Service, options: &str) -> JobResult {
    let job = service
        .client
        .submit(&fixture("dialogue.opus"), &format!("language=en&{options}"));
    service.client.wait(job).result.unwrap()
}

/// The speaker of each segment, without repetitions.
fn turns(result: &JobResult) -> Vec<&str> {
    let mut turns: Vec<&str> = result
        .segments
        .iter()
        .map(|segment| segment.speaker.as_deref().unwrap_or("-"))
        .collect();
    turns.dedup();
    turns
}

#[test]
fn a_conversation_has_two_speakers_in_turn() {
    let Some(service) = service() else { return };
    let result = transcribe(&service, "diarize=true");

    assert_eq!(turns(&result), TURNS);
    assert_eq!(result.speakers.len(), 2);
    assert!(result.warnings.is_empty(), "{:?}", result.warnings);
}

#[test]
fn without_diarize_no_segment_has_a_speaker() {
    let service = Settings::with_workers(1).start();
    let result = transcribe(&service, "");

    assert!(result.speakers.is_empty());
    assert_eq!(turns(&result), ["-"]);
}

#[test]
fn text_subtitles_and_rttm_name_the_speakers() {
    let Some(service) = service() else { return };
    let job = service
        .client
        .submit(&fixture("dialogue.opus"), "language=en&diarize=true");
    service.client.wait(job);
    let get = |format: &str| {
        let path = format!("/transcribe/{job}?keep=true&format={format}");
        service.client.get(&path).text()
    };

    let text = get("text");
    let speakers: Vec<&str> = text.lines().filter_map(|line| line.get(..2)).collect();
    assert_eq!(speakers, TURNS.map(|turn| format!("{turn}:")));

    assert!(get("vtt").contains("<v A>Good morning"));
    assert!(get("srt").contains("B: Good morning"));

    let rttm = get("rttm");
    assert!(rttm.lines().all(|line| line.starts_with("SPEAKER ")));
    assert_eq!(rttm.lines().count(), TURNS.len(), "{rttm}");
}

#[test]
fn bounds_are_kept_and_checked() {
    let Some(service) = service() else { return };

    let one = transcribe(&service, "diarize=true&max_speakers=1");
    assert_eq!(turns(&one), ["A"]);

    let refused = service.client.post_form(
        "/transcribe",
        &fixture("clip.opus"),
        &[
            ("diarize", "true"),
            ("min_speakers", "3"),
            ("max_speakers", "2"),
        ],
    );
    assert_eq!(refused.status, 422, "{}", refused.text());
}

#[test]
fn missing_networks_cost_no_text() {
    let weights = tempfile::tempdir().unwrap();
    let installed = Cache::from_env().unwrap();
    for name in ["ggml-base.bin", "ggml-base.json"] {
        symlink(installed.folder().join(name), weights.path().join(name)).unwrap();
    }
    let service = Settings::with_workers(1)
        .set("STENO_WEIGHTS_DIR", weights.path().to_str().unwrap())
        .set("STENO_WEIGHTS_PULL", "false")
        .start();

    let result = transcribe(&service, "diarize=true");

    assert!(result.text.contains("Good morning"), "{}", result.text);
    let codes: Vec<WarningCode> = result
        .warnings
        .iter()
        .map(|warning| warning.code.clone())
        .collect();
    assert_eq!(codes, [WarningCode::DiarizationFailed]);
}

//! Known speakers: names of people with recordings of their voices, and recordings that are of no use.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use steno_e2e::{Answer, Service, eventually, fixture};
use steno_models::{JobAccepted, JobStatus, WarningCode};

use crate::speakers::{TURNS, service_with_speakers, turns};

fn data_url(audio: &[u8]) -> String {
    format!("data:audio/ogg;base64,{}", STANDARD.encode(audio))
}

/// A recording of a voice of the conversation, as clients send it.
fn reference(name: &str) -> String {
    data_url(&fs::read(fixture(name)).unwrap())
}

/// Submits the conversation with names and their references.
fn submit(service: &Service, names: &str, references: &[String]) -> Answer {
    let fields = [
        ("language", "en"),
        ("diarize", "true"),
        ("known_speaker_names", names),
        ("known_speaker_references", &references.join(",")),
    ];
    service
        .client
        .post_form("/transcribe", &fixture("dialogue.opus"), &fields)
}

fn wait(service: &Service, submitted: &Answer) -> JobStatus {
    assert_eq!(submitted.status, 202, "{}", submitted.text());
    let job: JobAccepted = serde_json::from_value(submitted.json()).unwrap();
    service.client.wait(job.job_id)
}

#[test]
fn known_voices_get_their_names_and_are_kept_nowhere_after_the_job() {
    let Some(mut service) = service_with_speakers() else {
        return;
    };
    let references = [
        reference("dialogue_ben.opus"),
        reference("dialogue_anna.opus"),
    ];
    let part = &references[0][1000..1060];

    service.workers.remove(0).kill();
    let submitted = submit(&service, "Ben,Anna", &references);
    assert!(service.holds(part), "the test looks in the wrong place");
    service.start_worker();
    let status = wait(&service, &submitted);
    let shown = serde_json::to_string(&status).unwrap();
    let result = status.result.unwrap();

    let names = TURNS.map(|turn| if turn == "A" { "Anna" } else { "Ben" });
    assert_eq!(turns(&result), names);
    assert!(result.warnings.is_empty(), "{:?}", result.warnings);

    assert!(!shown.contains(part));
    let logs = service.api.as_ref().unwrap().log() + &service.workers[0].log();
    assert!(logs.contains("claimed"), "{logs}");
    assert!(!logs.contains(part) && !logs.contains("Anna"), "{logs}");
    eventually("nothing of the voice is left", || {
        (!service.holds(part)).then_some(())
    });
}

#[test]
fn references_that_cannot_be_used_are_named_and_cost_no_text() {
    let Some(service) = service_with_speakers() else {
        return;
    };
    let voice = fs::read(fixture("dialogue_anna.opus")).unwrap();
    let silence = fs::read(fixture("silence.flac")).unwrap();
    let unusable = [
        data_url(&silence),
        data_url(b"OggS\0 and nothing behind it"),
        // Four minutes.
        data_url(&voice.repeat(56)),
    ];
    let references = [&unusable[..], &[reference("dialogue_ben.opus")]].concat();

    let status = wait(&service, &submit(&service, "Si,Bad,Long,Ben", &references));
    let result = status.result.unwrap();

    let names = TURNS.map(|turn| if turn == "A" { "A" } else { "Ben" });
    assert_eq!(turns(&result), names);
    let found: Vec<(&str, bool)> = result
        .warnings
        .iter()
        .map(|warning| (warning.code.as_str(), warning.detail.contains("2 to 10 s")))
        .collect();
    assert_eq!(
        found,
        [(WarningCode::KnownSpeakerUnusable.as_str(), true); 3]
    );
}

#[test]
fn references_that_are_no_recordings_are_refused_at_once() {
    let Some(service) = service_with_speakers() else {
        return;
    };
    let voice = reference("dialogue_anna.opus");
    let text = data_url(b"Dear Anna");
    let large = data_url(&vec![0; 1024 * 1024]);
    let very_large = data_url(&vec![0; 6 * 1024 * 1024]);
    let cases = [
        (
            "Anna",
            vec!["https://example.org/voice.wav".to_owned()],
            422,
        ),
        ("Anna", vec![text], 422),
        ("Anna", vec![large], 422),
        ("Anna", vec![very_large], 422),
        ("Anna", vec![], 422),
        ("Anna,Ben", vec![voice.clone()], 422),
        ("A,B,C,D,E", vec![voice.clone(); 5], 422),
        ("Anna", vec!["data:audio/ogg;base64,".to_owned()], 422),
    ];
    for (names, references, status) in cases {
        let refused = submit(&service, names, &references);
        assert_eq!(refused.status, status, "{names}: {}", refused.text());
        let problem = refused.json();
        assert_eq!(problem["code"], "invalid_options");
        let pointer = problem["errors"][0]["pointer"].as_str().unwrap();
        assert_eq!(pointer, "/known_speaker_references", "{}", refused.text());
    }

    let path = "/v1/audio/transcriptions";
    let fields = [
        ("response_format", "diarized_json"),
        ("known_speaker_names[]", "Anna"),
        ("known_speaker_references[]", "voice.wav"),
    ];
    let refused = service
        .client
        .post_form(path, &fixture("dialogue.opus"), &fields);
    assert_eq!(refused.status, 400, "{}", refused.text());
    let error = &refused.json()["error"];
    assert_eq!(error["param"], "known_speaker_references");
    assert_eq!(error["code"], "invalid_options");
}

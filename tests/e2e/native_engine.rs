//! The native engine does the work of whole jobs, with the text of whisper.cpp within a few words.

use std::fs;

use steno_e2e::{Service, Settings, fixture, skip, word_error_rate};
use steno_worker::engine::{Kernel, Speed};

/// A service with the native engine, or `None` with a message where the processor has no fast path for it.
fn service() -> Option<Service> {
    if Kernel::detect().speed == Speed::Slow {
        skip("this processor has no fast 8-bit products");
        return None;
    }
    Some(
        Settings::with_workers(1)
            .set("STENO_ENGINE", "native")
            .set("STENO_SLOTS", "2")
            .start(),
    )
}

#[test]
fn a_long_recording_is_transcribed_by_two_slots_in_one_batch() {
    let Some(service) = service() else { return };
    let job = service.client.submit(&fixture("long.opus"), "language=en");
    let text = service.client.wait(job).result.unwrap().text;

    let reference = fs::read_to_string(fixture("long.txt")).unwrap();
    let errors = word_error_rate(&reference, &text);
    assert!(errors < 0.05, "{errors}: {text}");
}

#[test]
fn language_words_beams_and_translation_work() {
    let Some(service) = service() else { return };
    let run = |file: &str, options: &str| {
        let job = service.client.submit(&fixture(file), options);
        service.client.wait(job).result.unwrap()
    };

    let detected = run("sample.flac", "word_timestamps=true");
    assert_eq!(detected.language.as_deref(), Some("en"));
    for segment in &detected.segments {
        for word in segment.words.as_ref().unwrap() {
            assert!(
                word.start >= segment.start && word.end <= segment.end,
                "{word:?}"
            );
        }
    }

    let reference = fs::read_to_string(fixture("sample.txt")).unwrap();
    let beams = run("sample.flac", "beam_size=5&language=en");
    assert!(
        word_error_rate(&reference, &beams.text) < 0.1,
        "{}",
        beams.text
    );

    let translated = run("two_languages.opus", "task=translate&language=es");
    assert!(!translated.text.is_empty());

    let silent = run("silence.flac", "");
    assert_eq!(silent.text, "");
}

#[test]
fn engine_threads_have_a_lower_priority() {
    let Some(service) = service() else { return };
    let job = service.client.submit(&fixture("clip.wav"), "language=en");
    service.client.wait(job);

    let tasks = format!("/proc/{}/task", service.workers[0].pid());
    // See proc_pid_stat(5): the niceness is the 19th field, the name the 2nd.
    let niceness_of = |stat: &str| -> Option<i32> {
        let (_, fields) = stat.split_once("(engine) ")?;
        fields.split(' ').nth(16)?.parse().ok()
    };
    let stats = fs::read_dir(tasks).unwrap();
    // A thread may end meanwhile.
    let stats = stats.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let found: Vec<i32> = stats.filter_map(|stat| niceness_of(&stat)).collect();
    assert!(
        !found.is_empty() && found.iter().all(|niceness| *niceness >= 5),
        "{found:?}"
    );
}

#[test]
fn a_cancelled_job_frees_its_slot() {
    let Some(service) = service() else { return };
    let long = service.client.submit(&fixture("long.opus"), "language=en");
    service.client.delete(&format!("/transcribe/{long}"));

    let clip = service.client.submit(&fixture("clip.opus"), "language=en");
    let text = service.client.wait(clip).result.unwrap().text;
    assert!(text.contains("river"), "{text}");
}

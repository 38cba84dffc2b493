//! Speakers when workers die: a kill in the middle of a diarized job changes no label, and never costs the text.

use steno_e2e::{Service, fixture, repeated};
use steno_models::{JobId, JobResult, WarningCode};

use crate::speakers::service_with_speakers;

/// What is logged when a worker begins to find out who speaks when.
const BEGIN: &str = "claimed speakers";

/// Kills the worker that labels the speakers so many times, and waits for the job.
fn result_after_kills(service: &mut Service, job: JobId, kills: usize) -> JobResult {
    for _ in 0..kills {
        service.workers[0].wait_for_log(&format!("{BEGIN} of job {job}"));
        service.workers.remove(0).kill();
        service.start_worker();
    }
    service.client.wait(job).result.unwrap()
}

/// The segments with their speakers and times.
fn labels(result: &JobResult) -> Vec<(Option<&str>, &str, String)> {
    let segments = result.segments.iter();
    segments
        .map(|segment| {
            let times = format!("{:.2} {:.2}", segment.start, segment.end);
            (segment.speaker.as_deref(), segment.text.as_str(), times)
        })
        .collect()
}

#[test]
fn a_worker_that_is_killed_while_it_labels_speakers_changes_no_label_and_costs_no_text() {
    let Some(mut service) = service_with_speakers() else {
        return;
    };
    let recording = repeated("dialogue.opus", 3, &service.scratch());
    let submit = |service: &Service| {
        let options = "language=en&diarize=true";
        service.client.submit(&recording, options)
    };

    let undisturbed = submit(&service);
    let expected = result_after_kills(&mut service, undisturbed, 0);
    assert!(expected.warnings.is_empty(), "{:?}", expected.warnings);

    // The third attempt is the last one.
    let job = submit(&service);
    let labelled = result_after_kills(&mut service, job, 2);
    assert_eq!(labels(&labelled), labels(&expected));
    assert_eq!(labelled.speakers, expected.speakers);
    assert!(labelled.warnings.is_empty(), "{:?}", labelled.warnings);

    let job = submit(&service);
    let given_up = result_after_kills(&mut service, job, 3);
    assert_eq!(given_up.text, expected.text);
    assert!(given_up.speakers.is_empty());
    let codes: Vec<&str> = given_up.warnings.iter().map(|w| w.code.as_str()).collect();
    assert_eq!(codes, [WarningCode::DiarizationFailed.as_str()]);
}

#[test]
fn a_worker_that_is_killed_in_a_short_recording_changes_no_label() {
    let Some(mut service) = service_with_speakers() else {
        return;
    };
    let submit = |service: &Service| {
        let options = "language=en&diarize=true";
        service.client.submit(&fixture("call.opus"), options)
    };
    let undisturbed = submit(&service);
    let expected = result_after_kills(&mut service, undisturbed, 0);

    let job = submit(&service);
    service.workers[0].wait_for_log(&format!("claimed preparation of job {job}"));
    service.workers.remove(0).kill();
    service.start_worker();
    let status = service.client.wait(job);
    assert_eq!(status.attempts, 2, "the kill came before the end");
    assert_eq!(labels(&status.result.unwrap()), labels(&expected));
}

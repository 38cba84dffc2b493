//! Invariant: a recording that cannot be transcribed fails with its code, and the worker lives on.

use std::fs;

use steno_e2e::{Settings, eventually, fixture};
use steno_models::{JobStatus, Status};

#[test]
fn bad_recordings_fail_with_their_codes() {
    // Ten minutes: an unoptimised build takes long to decode the default four hours.
    let service = Settings::with_workers(1)
        .set("STENO_MAX_AUDIO_SECONDS", "600")
        .start();
    let manifest = fs::read_to_string(fixture("manifest.tsv")).unwrap();
    let bad: Vec<Vec<&str>> = manifest
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|row| row[1] == "bad" && row[2] != "invalid_options")
        .collect();

    assert!(bad.len() >= 10, "only {} bad recordings", bad.len());
    let jobs: Vec<_> = bad
        .iter()
        .map(|row| service.client.submit(&fixture(row[0]), "language=en"))
        .collect();
    let worker = service.workers[0].pid();
    for (row, job) in bad.iter().zip(jobs) {
        let JobStatus {
            status,
            error,
            attempts,
            ..
        } = service.client.wait(job);
        assert_eq!(status, Status::Failed, "{} was taken", row[0]);
        let code = error.unwrap().code;
        assert!(
            row[2].split('|').any(|expected| expected == code.as_str()),
            "{}: {code}",
            row[0]
        );
        assert_eq!(attempts, 1, "{} was tried again", row[0]);
    }

    let job = service.client.submit(&fixture("clip.wav"), "language=en");
    service.client.wait_for_text(job);
    assert_eq!(service.workers[0].pid(), worker);

    eventually("all files are gone", || {
        service.files().is_empty().then_some(())
    });
}

#[test]
fn an_empty_file_is_refused_at_once() {
    let service = Settings::with_workers(0).start();
    let answer = service.client.upload(&fixture("bad/empty.wav"), "");
    assert_eq!(
        (answer.status, answer.problem().errors[0].pointer.as_str()),
        (422, "/file")
    );
    assert_eq!(service.files(), Vec::<String>::new());
}

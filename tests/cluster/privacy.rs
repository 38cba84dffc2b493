//! After deletion, no byte of a job is in the bucket, in the rows, or on the machines.

use steno_e2e::{Settings, Shared, fixture, within};
use steno_testbed::{Postgres, S3};

use crate::{SOON, machine, report, scale};

#[test]
fn after_deletion_nothing_of_a_job_is_in_the_bucket_or_in_the_rows() {
    let jobs = scale(50, 6);
    let shared = Shared::create();
    let (one, other) = (machine(&shared, 1), machine(&shared, 1));
    let recording = std::fs::read(fixture("clip.opus")).unwrap();
    // A piece from the middle, which matches no header of another file.
    let piece = &recording[recording.len() / 2..][..64];

    let mut markers = Vec::new();
    for index in 0..jobs {
        let marker = format!("Marker{index:03}Zanzibar");
        let metadata = format!("%7B%22note%22%3A%22{marker}%22%7D");
        let query = format!("language=en&prompt=wait:300%20{marker}&metadata={metadata}");
        let job = one.client.submit(&fixture("clip.opus"), &query);
        if index == 0 {
            assert!(
                !shared.s3.files_with(piece).is_empty(),
                "the recording is not in the bucket"
            );
            assert!(
                !shared.rows_with(&marker).is_empty(),
                "the options are in no row"
            );
        }
        let text = other.client.wait_for_text(job);
        assert!(text.contains(&marker), "it was not spoken: {text}");
        assert_eq!(
            other.client.delete(&format!("/transcribe/{job}")).status,
            204
        );
        markers.push(marker);
    }

    within(SOON, "no byte is left", || {
        let in_files = !shared.s3.files_with(piece).is_empty()
            || markers
                .iter()
                .any(|marker| !shared.s3.files_with(marker.as_bytes()).is_empty());
        let in_rows = !shared.rows_with("Zanzibar").is_empty();
        let on_machines = [&one, &other]
            .iter()
            .any(|machine| !machine.files().is_empty());
        (!in_files && !in_rows && !on_machines && shared.files().is_empty()).then_some(())
    });
    let logs = one.api.as_ref().unwrap().log() + &other.workers[0].log();
    assert!(!logs.contains("Zanzibar"), "spoken text is in the logs");
    report(
        "privacy",
        &format!("{jobs} jobs, no marker in bucket, rows, folders and logs"),
    );
}

#[test]
fn storage_without_bulk_deletion_is_emptied_too() {
    let storage = S3::start();
    let shared = Shared::on(Postgres::shared(), &storage);
    let service = Settings::with_scripted_workers(1)
        .sharing(&shared)
        .set("AWS_DISABLE_BULK_DELETE", "true")
        .start();

    for _ in 0..2 {
        let job = service.client.submit(&fixture("clip.opus"), "language=en");
        service.client.wait_for_text(job);
        let deleted = service.client.delete(&format!("/transcribe/{job}"));
        assert_eq!(deleted.status, 204);
    }
    within(SOON, "the bucket is empty", || {
        shared.files().is_empty().then_some(())
    });

    // Bulk deletions are POST requests, and small uploads have none.
    let requests = storage.requests();
    assert_eq!(requests.get("POST"), None, "{requests:?}");
    assert!(requests["DELETE"] >= 2, "{requests:?}");
}

//! After deletion, nothing of a job is on disk: neither its text nor its options.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use steno_e2e::{Settings, eventually, fixture};

use crate::bed::{report, scale};

/// Clients that poll a status while deleted text must disappear.
const READERS: usize = 8;

#[test]
fn after_deletion_nothing_of_a_job_is_on_disk() {
    let jobs = scale(50, 10);
    let settings = Settings::with_scripted_workers(1)
        .set("STENO_LOG", "debug")
        .set("STENO_RETRIEVAL_GRACE", "2s")
        .set("STENO_SWEEP_INTERVAL", "1s");
    let mut service = settings.start();
    let markers: Vec<_> = (0..jobs)
        .map(|index| format!("Marker{index:03}Zanzibar"))
        .collect();
    for (index, marker) in markers.iter().enumerate() {
        let metadata = format!("%7B%22note%22%3A%22{marker}%22%7D");
        let recording = fixture(if index % 5 == 0 {
            "minute.opus"
        } else {
            "clip.opus"
        });
        let job = service.client.submit(
            &recording,
            &format!("language=en&prompt={marker}&metadata={metadata}"),
        );
        assert!(service.holds(marker), "the test can see what is there");
        let text = service.client.wait_for_text(job);
        assert!(text.contains(marker), "it was not spoken: {text}");
        // Deleted by DELETE, or by retrieval after its grace period.
        if index % 2 == 0 {
            service.client.delete(&format!("/transcribe/{job}"));
        } else {
            assert!(
                service
                    .client
                    .get(&format!("/transcribe/{job}?format=text"))
                    .text()
                    .contains(marker)
            );
        }
    }

    // Deleted text stays in the WAL until a sweep truncates it, also under constant reads.
    let over = AtomicBool::new(false);
    let other = service.client.submit(&fixture("clip.opus"), "language=en");
    thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    service.client.status(other);
                }
            });
        }
        let end = Guard(&over);
        eventually("no marker is in any file", || {
            let found = markers.iter().any(|marker| service.holds(marker));
            (!found).then_some(())
        });
        drop(end);
    });

    let logs = [
        service.api.as_ref().unwrap().log(),
        service.workers.remove(0).log(),
    ]
    .concat();

    assert!(
        logs.contains("accepted job") && logs.contains("ended preparation"),
        "{logs}"
    );
    assert!(!logs.contains("Zanzibar"), "spoken text is in the logs");

    report(
        "privacy",
        &format!("{jobs} jobs, no marker in database, its log, folders and logs"),
    );
}

/// Ends the readers also when the test fails.
struct Guard<'a>(&'a AtomicBool);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

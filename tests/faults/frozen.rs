//! A worker is stopped beyond its lease and continues later: its output is dropped.

use std::time::Duration;

use rustix::process::Signal;
use steno_e2e::{Process, Settings, eventually, fixture, within};
use steno_models::JobId;

use crate::bed::{report, scale};

/// Workers frozen at the same time.
const FROZEN: usize = 10;

#[test]
fn late_output_of_a_frozen_worker_is_dropped() {
    let rounds = scale(5, 1);
    let mut service = Settings::with_scripted_workers(0)
        .set("STENO_LEASE", "15s")
        .start();
    for _ in 0..rounds {
        let jobs: Vec<JobId> = (0..FROZEN)
            .map(|_| {
                service
                    .client
                    .submit(&fixture("clip.opus"), "language=en&prompt=wait:1500")
            })
            .collect();
        let frozen: Vec<Process> = (0..FROZEN)
            .map(|_| {
                service.start_worker();
                let worker = service.workers.pop().unwrap();
                worker.wait_for_log("claimed preparation");
                worker.signal(Signal::STOP);
                worker
            })
            .collect();
        service.start_worker();
        let texts: Vec<_> = jobs
            .iter()
            .map(|job| service.client.wait_for_text(*job))
            .collect();
        for worker in &frozen {
            assert!(
                !worker.log().contains("ended preparation"),
                "it was stopped too late"
            );
            worker.signal(Signal::CONT);
        }
        for mut worker in frozen {
            // It has lost its run, so it drops its work and exits to be restarted.
            within(Duration::from_secs(30), "it ends", || {
                worker.has_ended().then_some(())
            });
            let log = worker.log();
            assert!(!log.contains("ended preparation"), "{log}");
        }
        for (job, text) in jobs.iter().zip(texts) {
            let status = service.client.status(*job);
            assert_eq!((status.attempts, status.result.unwrap().text), (2, text));
            service.client.delete(&format!("/transcribe/{job}"));
        }
        service.workers.pop().unwrap().terminate();
        eventually("no file is left", || {
            service.files().is_empty().then_some(())
        });
    }

    report(
        "SIGSTOP past the lease",
        &format!("{} workers, every late result dropped", rounds * FROZEN),
    );
}

//! A worker is stopped beyond its lease and continues later: its output is dropped.

use rustix::process::Signal;
use steno_e2e::{Process, Settings, eventually, fixture};
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
        for _ in 0..FROZEN {
            service.start_worker();
        }
        let jobs: Vec<JobId> = (0..FROZEN)
            .map(|_| {
                service
                    .client
                    .submit(&fixture("clip.opus"), "language=en&prompt=wait:10000")
            })
            .collect();
        // Each has one slot, so each claims one job.
        let frozen: Vec<Process> = service.workers.drain(..).collect();
        for worker in &frozen {
            worker.wait_for_log("claimed preparation");
            worker.signal(Signal::STOP);
        }
        let slots = FROZEN.to_string();
        assert!(service.try_start_worker(&[("STENO_SLOTS", &slots)]));
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
            eventually("it ends", || worker.has_ended().then_some(()));
            let log = worker.log();
            assert!(!log.contains("ended preparation"), "{log}");
        }
        for (job, text) in jobs.iter().zip(texts) {
            let status = service.client.status(*job);
            // On a slow machine the last worker can lose its lease too.
            assert!((2..=3).contains(&status.attempts), "{}", status.attempts);
            assert_eq!(status.result.unwrap().text, text);
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

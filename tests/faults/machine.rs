//! A machine error costs no job a try: its task waits until the error is fixed.

use std::fs;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use steno_e2e::{Service, Settings, eventually, fixture};
use steno_models::Status;

use crate::bed::report;

/// More than the number of tries of a job.
const TRIES: usize = 5;

#[test]
fn a_temporarily_unreadable_file_costs_no_try() {
    let mut service = Settings::with_scripted_workers(0).in_data_folder().start();
    let job = service.client.submit(&fixture("clip.opus"), "language=en");
    // Like `chown -R` or an unmounted disk. Permissions alone would not stop root.
    let audio = service.data().join("audio").join(job.to_string());
    let hidden = service.scratch().join("hidden");
    fs::rename(&audio, &hidden).unwrap();
    service.start_worker();
    wait_for_postponements(&service, TRIES);
    assert_eq!(service.client.status(job).status, Status::Processing);
    fs::rename(&hidden, &audio).unwrap();
    service.client.wait_for_text(job);
    report(
        "recording out of reach",
        "more than three tries, completed when it was back",
    );
}

#[test]
fn a_worker_without_file_handles_loses_no_job() {
    let service = Settings::with_scripted_workers(1).in_data_folder().start();
    let worker = Pid::from_raw(service.workers[0].pid() as i32).unwrap();
    let usual = getrlimit(Resource::Nofile);
    // Open files stay open, and no other can be opened, as with EMFILE.
    let none = Rlimit {
        current: Some(3),
        maximum: usual.maximum,
    };
    prlimit(Some(worker), Resource::Nofile, none).unwrap();
    let job = service.client.submit(&fixture("clip.opus"), "language=en");
    wait_for_postponements(&service, TRIES);
    assert_eq!(service.client.status(job).status, Status::Processing);
    prlimit(Some(worker), Resource::Nofile, usual).unwrap();
    service.client.wait_for_text(job);
    report(
        "no file handles",
        "one worker, more than three tries, the job completed",
    );
}

/// Makes waiting tasks due now, without new tries, until that many were postponed.
fn wait_for_postponements(service: &Service, count: usize) {
    let database = Connection::open(service.data().join("steno.db")).unwrap();
    database.busy_timeout(Duration::from_secs(60)).unwrap();
    eventually("tasks are postponed", || {
        database
            .execute("UPDATE tasks SET run_at = 0 WHERE status = 'waiting'", [])
            .unwrap();
        let log = service.workers[0].log();
        (log.matches("the machine is at fault").count() >= count).then_some(())
    });
    let metrics = service.client.get("/metrics").text();
    assert!(
        metrics.contains("steno_postponed_total{reason="),
        "{metrics}"
    );
}

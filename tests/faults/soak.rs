//! Many short jobs in sequence: none is lost, and memory, files and WAL do not grow.

use std::fs;

use steno_e2e::{Process, Settings};

use crate::bed::{Bed, Ledger, RECORDINGS, report, scale};

/// Jobs between two measurements.
const BATCH: usize = 30;

/// Resident memory in bytes and number of open files of a process.
fn usage(process: &Process) -> (u64, usize) {
    let files = fs::read_dir(format!("/proc/{}/fd", process.pid()))
        .unwrap()
        .count();
    (process.memory_bytes().0, files)
}

#[test]
fn a_long_run_loses_nothing_and_does_not_grow() {
    let jobs = scale(2000, 180);
    let settings = Settings::with_scripted_workers(2)
        .set("STENO_SLOTS", "2")
        .set("STENO_SWEEP_INTERVAL", "1s");
    let mut bed = Bed::new(settings, "wait:1");
    let mut samples = Vec::new();
    for _ in 0..jobs.div_ceil(BATCH) {
        let mut ledger = Ledger::default();
        for _ in 0..BATCH {
            bed.submit_surely(&mut ledger, RECORDINGS[0]);
        }
        let tally = bed.settle(ledger);
        assert_eq!((tally.completed, tally.crashed), (BATCH, 0));
        let processes = bed.service.workers.iter().chain(&bed.service.api);
        let log = bed.service.wal_bytes();
        samples.push((processes.map(usage).collect::<Vec<_>>(), log));
    }

    // Caches and pools fill in the first batch. After that, nothing may grow with the number of jobs. The least of several
    // samples is without what a process needs for a moment.
    let first = least(&samples[1..3]);
    let last = least(&samples[samples.len() - 3..]);
    for (before, after) in first.iter().zip(&last) {
        assert!(
            after.0 < before.0 + before.0 / 4 + (4 << 20),
            "memory: {before:?}, then {after:?}"
        );
        assert!(
            after.1 <= before.1 + 5,
            "open files: {before:?}, then {after:?}"
        );
    }

    assert!(
        samples.iter().all(|(_, log)| *log <= 16 << 20),
        "the WAL grows: {samples:?}"
    );
    let megabytes = |look: &[(u64, usize)]| {
        look.iter()
            .map(|(bytes, _)| bytes >> 20)
            .collect::<Vec<_>>()
    };

    let most = samples.iter().map(|(_, log)| *log).max().unwrap() >> 10;

    report(
        "soak",
        &format!(
            "{jobs} jobs, 0 lost; MiB {:?}, then {:?}; log at most {most} KiB",
            megabytes(&first),
            megabytes(&last)
        ),
    );
}

/// The least memory and the fewest open files of each process.
fn least(samples: &[(Vec<(u64, usize)>, u64)]) -> Vec<(u64, usize)> {
    let mut usages = samples.iter().map(|(usages, _)| usages.clone());
    let first = usages.next().unwrap();
    usages.fold(first, |least, usages| {
        let pairs = least.into_iter().zip(usages);
        pairs
            .map(|(one, other)| (one.0.min(other.0), one.1.min(other.1)))
            .collect()
    })
}

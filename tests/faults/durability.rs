//! The order in which an accepted recording becomes durable: file, folder, WAL, answer.

use std::collections::HashSet;

use steno_e2e::{Settings, fixture};
use steno_models::JobId;

use crate::bed::{report, scale};
use crate::shim::{self, Fault, Point};

#[test]
fn nothing_is_answered_before_it_is_durable() {
    let uploads = scale(100, 20);
    let mut service = Settings::with_scripted_workers(0)
        .in_data_folder()
        .start_nothing();
    let log = service.scratch().join("points");
    let environment = shim::environment(&service.data(), &log, Fault::None);
    assert!(service.try_start_api(&shim::borrowed(&environment)));
    let jobs: HashSet<JobId> = (0..uploads)
        .map(|_| service.client.submit(&fixture("clip.opus"), ""))
        .collect();
    assert_eq!(jobs.len(), uploads);

    let points = shim::read(&log);
    let answers: Vec<_> = (0..points.len())
        .filter(|index| points[*index].call == "answer")
        .collect();
    assert_eq!(answers.len(), uploads);
    let mut begin = 0;
    for answer in answers {
        check_order(&points[begin..answer]);
        begin = answer + 1;
    }
    report(
        "order of durability",
        &format!("{uploads} uploads, always file, folder, log, answer"),
    );
}

#[test]
fn a_plan_names_no_spool_that_is_not_durable() {
    let jobs = scale(20, 3);
    // No heartbeat writes to the WAL in between.
    let mut service = Settings::with_scripted_workers(0)
        .in_data_folder()
        .set("STENO_LEASE", "2h")
        .start();
    let log = service.scratch().join("points");
    let environment = shim::environment(&service.data(), &log, Fault::None);
    assert!(service.try_start_worker(&shim::borrowed(&environment)));
    for _ in 0..jobs {
        let job = service
            .client
            .submit(&fixture("minute.opus"), "language=en");
        service.client.wait_for_text(job);
    }

    let points = shim::read(&log);
    let is = |point: &Point, call: &str, end: &str| point.call == call && point.path.ends_with(end);
    let mut plans = 0;
    for (index, point) in points.iter().enumerate() {
        let next = &points[index + 1..];
        let is_written_again = next
            .iter()
            .any(|next| next.call == "write" && next.path == point.path);
        if !is(point, "write", ".pcm") || is_written_again {
            continue;
        }
        // A worker with one slot next writes to the WAL when it commits the plan.
        let committed = next
            .iter()
            .position(|point| is(point, "write", "steno.db-wal"))
            .unwrap();
        let synced = next[..committed]
            .iter()
            .position(|point| is(point, "sync", ".pcm"));
        let synced =
            synced.unwrap_or_else(|| panic!("the spool is not synced: {:#?}", &next[..committed]));
        assert!(
            next[synced..committed]
                .iter()
                .any(|point| is(point, "sync", "/spool")),
            "its folder is not synced"
        );
        plans += 1;
    }

    assert!(plans >= jobs, "{plans}");

    report(
        "order in which a plan becomes durable",
        &format!("{plans} plans, always spool, folder, log"),
    );
}

/// The calls of one upload, up to its answer.
fn check_order(points: &[Point]) {
    let find = |call: &str, end: &str, from: usize| {
        let found = points[from..]
            .iter()
            .position(|point| point.call == call && point.path.ends_with(end));
        found.unwrap_or_else(|| panic!("no {call} of {end} after {from} in {points:#?}")) + from
    };
    let file = find("sync", ".part", 0);
    let renamed = points[file..]
        .iter()
        .position(|point| point.call == "rename")
        .unwrap()
        + file;
    let folder = find("sync", "/audio", renamed);
    let written = find("write", "steno.db-wal", folder);
    find("sync", "steno.db-wal", written);
    // Nothing is written to the recording after its sync.
    assert!(
        !points[file..]
            .iter()
            .any(|point| point.call == "write" && point.path.contains("/audio/")),
        "{points:#?}"
    );
}

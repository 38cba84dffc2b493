//! Three times more work than capacity: accepted jobs complete, and others are refused at once.

use std::thread;
use std::time::{Duration, Instant};

use steno_e2e::{Settings, fixture};
use steno_models::{JobId, Status};

use crate::bed::{is_full, report, scale};

/// Duration of a job: two slots do twenty per second.
const SCRIPT: &str = "language=en&prompt=wait:100";
const OFFERED_PER_SECOND: u32 = 60;
const CLIENTS: u32 = 6;

#[test]
fn under_overload_accepted_jobs_complete_and_others_are_refused_at_once() {
    let seconds = scale(60, 6) as u64;
    let settings = Settings::with_scripted_workers(1)
        .set("STENO_SLOTS", "2")
        .set("STENO_MAX_PENDING_JOBS", "40");
    let service = settings.start();
    let end = Instant::now() + Duration::from_secs(seconds);
    let (accepted, mut refusals) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let (mut accepted, mut refusals): (Vec<JobId>, Vec<Duration>) =
                        (Vec::new(), Vec::new());
                    let mut next = Instant::now();
                    while next < end {
                        // The offered rate does not depend on the answers.
                        thread::sleep(next.saturating_duration_since(Instant::now()));
                        next += Duration::from_secs(1) * CLIENTS / OFFERED_PER_SECOND;
                        let began = Instant::now();
                        let answer = service.client.upload(&fixture("clip.opus"), SCRIPT);
                        if let Some(job) = answer.accepted() {
                            accepted.push(job);
                        } else {
                            assert_eq!(answer.status, 503, "{}", answer.text());
                            assert!(answer.header("retry-after").is_some());
                            refusals.push(began.elapsed());
                        }
                    }
                    (accepted, refusals)
                })
            })
            .collect();
        let outcomes = clients.into_iter().map(|client| client.join().unwrap());
        outcomes.fold((Vec::new(), Vec::new()), |mut all, (accepted, refusals)| {
            all.0.extend(accepted);
            all.1.extend(refusals);
            all
        })
    });

    refusals.sort_unstable();
    let (median, p99) = (
        refusals[refusals.len() / 2],
        refusals[(refusals.len() - 1) * 99 / 100],
    );
    let done = accepted
        .iter()
        .filter(|job| service.client.wait(**job).status == Status::Completed)
        .count();
    report(
        "overload",
        &format!(
            "{} accepted, {done} done, {} refused in {median:.1?}, p99 {p99:.1?}",
            accepted.len(),
            refusals.len()
        ),
    );

    assert!(refusals.len() > accepted.len() / 2, "it was no overload");
    assert_eq!(done, accepted.len());
    // In the reduced form the third slowest would be the 99th percentile, and it is slowed by parallel tests.
    let slow = if is_full() { p99 } else { median };

    assert!(
        slow < Duration::from_millis(50),
        "median {median:?}, p99 {p99:?}"
    );
}

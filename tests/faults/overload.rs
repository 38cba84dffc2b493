//! More work than capacity: accepted jobs complete, and others are refused at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use steno_e2e::{PATIENCE, Settings, fixture};
use steno_models::{JobId, Status};

use crate::bed::{is_full, report, scale};

const OFFERED_PER_SECOND: u32 = 60;
const CLIENTS: u32 = 6;
/// Refusals to measure. A slow machine needs longer for them.
const REFUSALS: usize = 100;

#[test]
fn under_overload_accepted_jobs_complete_and_others_are_refused_at_once() {
    let seconds = scale(60, 6) as u64;
    // Two slots do twenty jobs per second, a third of what is offered. In the reduced form they do four: clients that
    // share the machine with other tests offer less.
    let wait_ms = scale(100, 500);
    let script = format!("language=en&prompt=wait:{wait_ms}");
    let settings = Settings::with_scripted_workers(1)
        .set("STENO_SLOTS", "2")
        .set("STENO_MAX_PENDING_JOBS", "40");
    let service = settings.start();
    // Its answers show how slow the machine is.
    let idle = Settings::with_scripted_workers(0).start();
    let began = Instant::now();
    let refused = AtomicUsize::new(0);
    let is_over = || {
        let elapsed = began.elapsed();
        elapsed >= PATIENCE
            || elapsed.as_secs() >= seconds && refused.load(Ordering::Relaxed) >= REFUSALS
    };
    let (accepted, mut refusals, mut other_calls) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut accepted: Vec<JobId> = Vec::new();
                    let (mut refusals, mut other_calls) = (Vec::new(), Vec::new());
                    let mut next = Instant::now();
                    while !is_over() {
                        // The offered rate does not depend on the answers.
                        thread::sleep(next.saturating_duration_since(Instant::now()));
                        next += Duration::from_secs(1) * CLIENTS / OFFERED_PER_SECOND;
                        let began = Instant::now();
                        let answer = service.client.upload(&fixture("clip.opus"), &script);
                        if let Some(job) = answer.accepted() {
                            accepted.push(job);
                        } else {
                            assert_eq!(answer.status, 503, "{}", answer.text());
                            assert!(answer.header("retry-after").is_some());
                            refusals.push(began.elapsed());
                            refused.fetch_add(1, Ordering::Relaxed);
                            let began = Instant::now();
                            idle.client.get("/healthz");
                            other_calls.push(began.elapsed());
                        }
                    }
                    (accepted, refusals, other_calls)
                })
            })
            .collect();
        let outcomes = clients.into_iter().map(|client| client.join().unwrap());
        outcomes.fold((Vec::new(), Vec::new(), Vec::new()), |mut all, own| {
            all.0.extend(own.0);
            all.1.extend(own.1);
            all.2.extend(own.2);
            all
        })
    });

    assert!(refusals.len() >= REFUSALS, "it was no overload");
    refusals.sort_unstable();
    other_calls.sort_unstable();
    let (median, p99) = (
        refusals[refusals.len() / 2],
        refusals[(refusals.len() - 1) * 99 / 100],
    );
    let other_call = other_calls[other_calls.len() / 2];
    let done = accepted
        .iter()
        .filter(|job| service.client.wait(**job).status == Status::Completed)
        .count();
    report(
        "overload",
        &format!(
            "{} accepted, {done} done, {} refused in {median:.1?}, p99 {p99:.1?}, an idle server {other_call:.1?}",
            accepted.len(),
            refusals.len()
        ),
    );

    assert_eq!(done, accepted.len());
    // The reduced form runs beside other tests, so an idle server is slow there too.
    let (took, limit) = if is_full() {
        (p99, Duration::from_millis(50))
    } else {
        (median, other_call * 5 + Duration::from_millis(20))
    };
    assert!(took < limit, "{took:?}, limit {limit:?}");
}

//! Invariant: a short recording does not wait for a long one, and the long one ends under a stream of short ones.

use steno_e2e::{Settings, eventually, fixture, repeated};
use steno_models::Status;

#[test]
fn a_short_recording_passes_a_long_one() {
    let service = Settings::with_workers(1).start();
    let long = service
        .client
        .submit(&repeated("long.opus", 6, &service.scratch()), "language=en");
    // Long before the time that it is expected to take has gone by: from then on it would be its turn.
    service.workers[0].wait_for_log("claimed preparation");
    let short = service.client.submit(&fixture("clip.wav"), "language=en");
    service.client.wait_for_text(short);
    let progress = service.client.status(long).progress;
    assert!(
        progress < 0.6,
        "the short one ended when the long one was at {progress}"
    );
    service.client.delete(&format!("/transcribe/{long}"));
}

#[test]
fn a_long_recording_ends_under_a_stream_of_short_ones() {
    let service = Settings::with_workers(1).start();
    let long = service.client.submit(&fixture("long.opus"), "language=en");
    // Always two waiting: without a fixed due time the long one would never have its turn.
    let mut short: Vec<_> = (0..2)
        .map(|_| service.client.submit(&fixture("clip.wav"), "language=en"))
        .collect();
    let mut sent = short.len();
    eventually("the long one ends", || {
        short.retain(|job| !service.client.status(*job).status.is_terminal());
        while short.len() < 2 {
            short.push(service.client.submit(&fixture("clip.wav"), "language=en"));
            sent += 1;
        }
        (service.client.status(long).status == Status::Completed).then_some(())
    });
    assert!(sent > 2, "no short one was done in between");
}

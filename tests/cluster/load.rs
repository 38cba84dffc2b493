//! Clients that keep submitting, and a record of the accepted jobs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use steno_e2e::{Client, eventually, fixture};
use steno_models::{JobId, Status};

use crate::{ended, is_unavailable};

/// Answers of the clients.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Jobs that were answered with 202.
    pub(crate) accepted: Vec<JobId>,
    /// Answers 503 with `Retry-After`, or 507.
    pub(crate) unavailable: usize,
    /// Requests without an answer.
    pub(crate) unanswered: usize,
    /// Answers that should not occur.
    pub(crate) wrong: Vec<String>,
}

/// Submits with each of `clients` until `faults` is done, and waits for each job for a while, so that the queue stays short.
/// Returns what the clients were answered.
pub(crate) fn under_load(clients: &[Client], query: &str, faults: impl FnOnce()) -> Ledger {
    let ledger = Mutex::new(Ledger::default());
    let is_over = AtomicBool::new(false);

    thread::scope(|scope| {
        for client in clients {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    submit(client, query, &ledger);
                }
            });
        }
        let end = Guard(&is_over);
        eventually("a job is accepted before the faults", || {
            (!ledger.lock().unwrap().accepted.is_empty()).then_some(())
        });
        faults();
        drop(end);
    });
    ledger.into_inner().unwrap()
}

/// Ends the load also when the test fails.
struct Guard<'a>(&'a AtomicBool);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn submit(client: &Client, query: &str, ledger: &Mutex<Ledger>) {
    let answer = client.try_upload(&fixture("clip.opus"), query);
    let accepted = answer.as_ref().and_then(steno_e2e::Answer::accepted);
    if let Some(job) = accepted {
        client.try_get(&format!("/transcribe/{job}?keep=true&wait=2"));
    }

    let mut ledger = ledger.lock().unwrap();
    match answer {
        None => ledger.unanswered += 1,
        Some(answer) if is_unavailable(&answer) => ledger.unavailable += 1,
        // The database's disk is full.
        Some(answer) if answer.status == 507 => ledger.unavailable += 1,
        Some(answer) => match accepted {
            Some(job) => ledger.accepted.push(job),
            None => ledger
                .wrong
                .push(format!("{}: {}", answer.status, answer.text())),
        },
    }
}

/// Waits until every accepted job has completed with the text of the others, and deletes it.
pub(crate) fn settle(client: &Client, ledger: &Ledger) {
    assert_eq!(ledger.wrong, Vec::<String>::new());
    let mut texts = std::collections::BTreeSet::new();
    for job in &ledger.accepted {
        let status = eventually(&format!("job {job} ends"), || ended(client, *job));
        assert_eq!(status.status, Status::Completed, "{:?}", status.error);
        texts.insert(status.result.unwrap().text);
        eventually("it is deleted", || {
            let answer = client.try_delete(&format!("/transcribe/{job}"))?;
            (answer.status == 204).then_some(())
        });
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
}

//! The flow of a task in a slot: claim → work → finish, as numbered steps.

use std::cell::Cell;
use std::time::Instant;

use steno_store::{Claim, Finished, Settled, StoreError, TaskKind};

use crate::log;
use crate::shared::Shared;
use crate::slot::TaskControl;
use crate::task::{ClaimedTask, Done, Undone};

/// Works until the process drains. An error means that the process has to end.
pub(crate) fn run_slot(shared: &Shared, control: &TaskControl) -> Result<(), StoreError> {
    let mut slot = shared.runner.open_slot();
    let mut next = None;
    let mut was_idle = false;
    loop {
        // Read before polling for work, so that a wake-up in between is not lost.
        let seen = shared.wakeup.count();

        // 1. While draining, claim nothing more; give back what came with the last finish.
        if shared.is_draining() {
            if let Some(claim) = next {
                // If the claim is lost, there is nothing to give back.
                let _ = shared.retry(|| shared.store.release_task(&claim))?;
            }
            return Ok(());
        }

        // 2. Take the task that was claimed together with the last finish, or claim one.
        let claimed = match next.take() {
            Some(claim) => Some(claim),
            None => shared.retry(|| {
                let kinds = kinds_to_claim(shared);
                if kinds.is_empty() {
                    return Ok(None);
                }
                shared
                    .store
                    .claim_task(shared.clock.now(), &shared.run, kinds)
            })?,
        };

        // 3. Without a task, sleep until there may be one. The supervisor polls for all slots.
        let Some(claim) = claimed else {
            was_idle = true;
            shared.wakeup.wait_for_work(seen);
            continue;
        };
        if std::mem::take(&mut was_idle) {
            // Where there was a task, there may be more.
            shared.wakeup.wake_one();
        }

        // 4. Work, without any transaction open.
        let began = Instant::now();
        log::claimed(&claim);
        control.begin(claim.id);
        let outcome = slot.run(&ClaimedTask {
            claim: &claim,
            store: &shared.store,
            control,
        });
        let elapsed_ms = began.elapsed().as_millis() as u64;

        // 5. Finish. The same commit claims the next task.
        let finished = finish(shared, control, &claim, outcome);
        // Until here a cancellation still finds the claim, and a hang in the store is still noticed.
        control.end();
        let finished = finished?;
        log::finished(&claim, &finished, elapsed_ms);
        next = finished.next;
    }
}

/// Reports to the store what became of a task.
fn finish(
    shared: &Shared,
    control: &TaskControl,
    claim: &Claim,
    outcome: Result<Done, Undone>,
) -> Result<Finished, StoreError> {
    match outcome {
        Ok(done) => finish_done(shared, control, claim, done),

        Err(Undone::Stopped) => shared
            .retry(|| shared.store.release_task(claim))
            .map(without_next),

        Err(Undone::Postponed { reason, error }) => {
            log::postponed(claim, reason, &*error);
            let settled = shared.retry(|| {
                control.note_alive();
                let now = shared.clock.now();
                shared.store.postpone_task(now, claim, reason)
            })?;
            // The next task probably meets the same: do not postpone the whole queue in a second.
            shared.pause();
            Ok(without_next(settled))
        }

        Err(Undone::Failed { failure, error }) => {
            log::failed(claim, &*error);
            let more = kinds_to_claim(shared);
            shared.retry(|| {
                control.note_alive();
                let now = shared.clock.now();
                shared.store.fail_task(now, claim, &failure, more)
            })
        }

        Err(Undone::Fatal(error)) => Err(error),
    }
}

fn finish_done(
    shared: &Shared,
    control: &TaskControl,
    claim: &Claim,
    done: Done,
) -> Result<Finished, StoreError> {
    let (output, keep_file) = done.into_parts();
    let more = kinds_to_claim(shared);
    // A commit whose answer was lost may name the file, also where a later try finds the claim gone: the file is kept, and the
    // orphan scan decides.
    let may_be_committed = Cell::new(false);
    let finished = shared.retry(|| {
        // A pause between two tries is a sign of life: waiting for disk space is no hang.
        control.note_alive();
        let now = shared.clock.now();
        let finished = shared.store.finish_task(now, claim, &output, more);
        finished.inspect_err(|error| {
            if error.is_outcome_unknown() {
                may_be_committed.set(true);
            }
        })
    });

    let is_stored = matches!(&finished, Ok(finished) if finished.settled.is_stored());
    if let Some(keep) = keep_file
        && (is_stored || may_be_committed.get())
    {
        keep();
    }
    finished
}

/// The kinds of which the next task is claimed together with a finish: none while draining.
fn kinds_to_claim(shared: &Shared) -> &[TaskKind] {
    if shared.is_draining() {
        &[]
    } else {
        shared.runner.kinds()
    }
}

fn without_next(settled: Settled) -> Finished {
    Finished {
        settled,
        next: None,
    }
}

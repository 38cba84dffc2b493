//! Draining: running tasks finish, and what does not finish in time goes back to the queue.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use steno_store::{ClaimId, StoreError};

use super::{RunnerSettings, Slot};
use crate::Ended;
use crate::shared::Shared;
use crate::upkeep::passed;

/// Pause between two checks of the slots.
const TICK: Duration = Duration::from_millis(20);
/// Time for slots to stop and to store it, after the time to drain is over.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// Extra time requested from systemd at each heartbeat while draining.
const STOP_EXTENSION_US: u32 = 60_000_000;

/// Waits for running tasks, then stops and gives back the remaining ones. Claims stay valid
/// meanwhile.
pub(super) fn drain(
    settings: &RunnerSettings,
    shared: &Shared,
    slots: Vec<Slot>,
) -> Result<Ended, StoreError> {
    tracing::info!(
        "draining: no more claims, up to {} s for what is running",
        settings.drain_timeout.as_secs()
    );
    shared.draining.store(true, Ordering::SeqCst);
    shared.wakeup.wake_all();

    let mut heartbeat_due = Instant::now();
    if !have_ended(&slots, settings.drain_timeout, shared, &mut heartbeat_due)? {
        for slot in &slots {
            if let Some(claim) = slot.control.claim() {
                slot.control.stop_claim(claim);
            }
        }
        if !have_ended(&slots, STOP_LIMIT, shared, &mut heartbeat_due)? {
            tracing::error!(
                "a slot does not stop, or cannot store what it did; its task goes back"
            );
            return give_up(shared, &claims_at_fault(&slots));
        }
    }

    let at_fault = claims_at_fault(&slots);
    // A slot that failed since the last tick has logged its error.
    let have_failed = slots
        .into_iter()
        .any(|slot| !matches!(slot.thread.join(), Ok(Ok(()))));
    if have_failed {
        return give_up(shared, &at_fault);
    }
    shared.store.end_run(&shared.run)?;
    tracing::info!("drained");
    Ok(Ended::Drained)
}

/// Ends this run before its process ends: other processes would charge all of its tasks. Tasks that take too long, or whose end
/// cannot be stored, are not at fault.
fn give_up(shared: &Shared, at_fault: &[ClaimId]) -> Result<Ended, StoreError> {
    let now = shared.clock.now();
    let given_back = shared.store.abandon_run(now, &shared.run, at_fault);
    passed(given_back.map(drop), "cannot give the tasks back")?;
    Ok(Ended::Broken)
}

/// Claims of slots that have panicked: the others have ended their claim.
fn claims_at_fault(slots: &[Slot]) -> Vec<ClaimId> {
    slots
        .iter()
        .filter(|slot| slot.thread.is_finished())
        .filter_map(|slot| slot.control.claim())
        .collect()
}

/// Waits until all slots have ended, at most `limit`. Returns whether they have.
fn have_ended(
    slots: &[Slot],
    limit: Duration,
    shared: &Shared,
    heartbeat_due: &mut Instant,
) -> Result<bool, StoreError> {
    let began = Instant::now();
    while slots.iter().any(|slot| !slot.thread.is_finished()) && began.elapsed() < limit {
        if Instant::now() >= *heartbeat_due {
            keep_alive(shared)?;
            *heartbeat_due = Instant::now() + shared.store.settings().heartbeat_interval();
        }
        thread::sleep(TICK);
    }
    Ok(slots.iter().all(|slot| slot.thread.is_finished()))
}

/// Extends the lease, and the time that systemd gives for stopping: the unit's `TimeoutStopSec=`
/// applies to a process that gives no sign of life.
fn keep_alive(shared: &Shared) -> Result<(), StoreError> {
    passed(
        shared.store.heartbeat(shared.clock.now(), &shared.run),
        "cannot extend the lease while draining",
    )?;
    let _ = sd_notify::notify(&[
        NotifyState::Watchdog,
        NotifyState::ExtendTimeoutUsec(STOP_EXTENSION_US),
    ]);
    Ok(())
}

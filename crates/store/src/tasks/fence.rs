//! The fence: every write that ends a claim names it in its condition, so that a lost claim changes no row.

use crate::effects::Effects;
use crate::tasks::types::{Claim, Settled};
use crate::tx::{DoneClaim, EndedClaim, Tx};
use crate::upkeep::counters::{Counter, count};
use crate::{Now, StoreError};

/// Ends a claim whose task has no row of its own afterwards.
pub(crate) fn remove_claimed_task(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
) -> Result<Settled, StoreError> {
    let ended = tx.remove_claimed_task(claim)?;
    settle(tx, effects, now, claim, ended.as_ref())
}

/// What a statement that ends a claim returned: `None` if the claim was lost. Counts the time that the task took.
pub(crate) fn settle(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    ended: Option<&EndedClaim>,
) -> Result<Settled, StoreError> {
    wake_waiting_slots(effects, claim);
    let Some(ended) = ended else {
        return Ok(Settled::ClaimLost);
    };

    let ms = ended
        .claimed_at
        .map_or(0, |since| (now.wall.ms() - since.ms()).max(0));
    let kind = claim.task.kind().as_str();
    count(tx, Counter::TaskSeconds(kind), ms as f64 / 1000.0)?;
    Ok(Settled::Stored)
}

/// The same for a statement that kept the output of the task.
pub(crate) fn settle_done(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    done: Option<&DoneClaim>,
) -> Result<Settled, StoreError> {
    settle(tx, effects, now, claim, done.map(|done| &done.claim))
}

/// The other slots of a worker wait while it runs a suspect task. They may go on.
pub(crate) fn wake_waiting_slots(effects: &mut Effects, claim: &Claim) {
    effects.work |= claim.is_alone;
}

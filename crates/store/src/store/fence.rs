//! The fence: every write that ends a claim names it in its condition, so that a lost claim changes no row.

use rusqlite::{OptionalExtension, Transaction, named_params};

use super::Effects;
use super::counters::{Counter, count};
use super::types::{Claim, Settled};
use crate::{Now, StoreError};

/// Ends a claim with one of the statements that name it and return `claimed_at`, and counts the time that the task took.
pub(super) fn end_claim(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    statement: &str,
    parameters: &[(&str, &dyn rusqlite::ToSql)],
) -> Result<Settled, StoreError> {
    wake_waiting_slots(effects, claim);

    let claimed_at: Option<Option<i64>> = tx
        .prepare_cached(statement)?
        .query_row(parameters, |row| row.get(0))
        .optional()?;
    let Some(claimed_at) = claimed_at else {
        return Ok(Settled::ClaimLost);
    };

    let ms = claimed_at.map_or(0, |since| (now.wall.ms() - since).max(0));
    let kind = claim.task.kind().as_str();
    count(tx, Counter::TaskSeconds(kind), ms as f64 / 1000.0)?;
    Ok(Settled::Stored)
}

/// Ends a claim whose task has no row of its own afterwards.
pub(super) fn remove_claimed_task(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
) -> Result<Settled, StoreError> {
    end_claim(
        tx,
        effects,
        now,
        claim,
        include_str!("../sql/remove_claimed_task.sql"),
        named_params! {":task": claim.task_id, ":claim_id": claim.id.as_bytes()},
    )
}

/// The other slots of a worker wait while it runs a suspect task. They may go on.
pub(super) fn wake_waiting_slots(effects: &mut Effects, claim: &Claim) {
    effects.work |= claim.is_alone;
}

/// Checks that a write changed the one row that has to be there.
pub(super) fn require_row(rows: usize, action: &'static str) -> Result<(), StoreError> {
    if rows == 1 {
        Ok(())
    } else {
        Err(StoreError::Contradiction { action })
    }
}

//! Claiming: a worker takes the next task.

use serde::de::DeserializeOwned;
use steno_models::{FailureCode, TranscribeRequest};

use crate::effects::Effects;
use crate::jobs::end::{Ending, fail};
use crate::store::EXPECTED_REAL_TIME_FACTOR;
use crate::tasks::types::{
    Certainty, Claim, ClaimId, Failure, PlannedSpan, SpanTask, TaskInput, TaskKind,
};
use crate::tasks::voices::VoicesTask;
use crate::tx::{Claimable, NextTask, Tx};
use crate::upkeep::counters::{Counter, count};
use crate::{Now, Store, StoreError, WorkerRun};

/// Expected compute time of a `prepare` task, before its duration is known.
const PREPARE_COST_MS: i64 = 2000;

/// Expected compute time for a second of a `voices` task, in seconds.
const VOICES_REAL_TIME_FACTOR: f64 = 0.02;

/// Unfinished jobs of an owner with decoded audio, from which on spans come before the preparation of further jobs. An hour of
/// audio is 115 MB.
const MAX_PREPARED_JOBS: u32 = 32;

impl Store {
    /// Takes the next task for a worker's run, or `None`. Owners take turns by the work they were given; of an owner's tasks,
    /// by priority, then due time, then order in the recording. No owner gets all the slots of a courier that has several.
    ///
    /// A task whose worker died for an unknown reason runs alone: if its worker dies again, the cause is known, and no other task is
    /// charged.
    ///
    /// `kinds` are those that the caller can do; tasks of other kinds are left alone.
    pub fn claim_task(
        &self,
        now: Now,
        run: &WorkerRun,
        kinds: &[TaskKind],
    ) -> Result<Option<Claim>, StoreError> {
        // A read first: an idle worker must not take the write lock. The statements need no common snapshot, and most polls
        // need the first one alone.
        let is_there_work = |tx: &Tx<'_>| {
            if !tx.any_claimable(now.wall, &claimable(kinds, &[]))? {
                return Ok(false);
            }
            let full_queues = full_queues(tx, run.id(), kinds)?;
            Ok(full_queues.is_empty()
                || tx.any_claimable(now.wall, &claimable(kinds, &full_queues))?)
        };
        if !self.read_statements(is_there_work)? {
            return Ok(None);
        }
        self.write_soon_durable(|tx, effects| claim_next(tx, effects, now, run.id(), kinds))
    }

    /// The valid claims of a worker's run. A slot whose claim is not among them works in vain.
    pub fn standing_claims(&self, run: &WorkerRun) -> Result<Vec<ClaimId>, StoreError> {
        self.read_statements(|tx| tx.claims_of_run(run.id()))
    }
}

/// Queues from which a run takes nothing now.
fn full_queues(tx: &Tx<'_>, run_id: &str, kinds: &[TaskKind]) -> Result<Vec<String>, StoreError> {
    if kinds.contains(&TaskKind::Fetch) {
        tx.full_fetch_queues(run_id)
    } else {
        Ok(Vec::new())
    }
}

/// What a claim of these kinds may take.
fn claimable(kinds: &[TaskKind], full_queues: &[String]) -> Claimable {
    let later_kinds = kinds.iter().copied().filter(|kind| kind.has_own_queue());
    Claimable {
        kinds: words(kinds.iter().copied()),
        later_kinds: words(later_kinds),
        known: serde_json::Value::from(TranscribeRequest::known_requirements()).to_string(),
        full_queues: serde_json::Value::from(full_queues).to_string(),
        max_prepared: MAX_PREPARED_JOBS,
    }
}

/// The words of kinds, as a JSON array.
fn words(kinds: impl Iterator<Item = TaskKind>) -> String {
    let words: serde_json::Value = kinds.map(TaskKind::as_str).collect();
    words.to_string()
}

/// Takes the next task inside a transaction, so that finishing one task and claiming the next is one commit. `None` without
/// `kinds`.
pub(crate) fn claim_next(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    run_id: &str,
    kinds: &[TaskKind],
) -> Result<Option<Claim>, StoreError> {
    if kinds.is_empty() {
        return Ok(None);
    }
    tx.promote_waiting_tasks(now.wall)?;
    let full_queues = full_queues(tx, run_id, kinds)?;
    let claimable = claimable(kinds, &full_queues);
    loop {
        let Some(offer) = tx.next_task(run_id, &claimable)? else {
            return Err(StoreError::RunLost);
        };
        let Some(next) = offer.next else {
            return Ok(None);
        };
        if must_wait(offer.has_suspect, &next) {
            return Ok(None);
        }

        match new_claim(tx, run_id, &next) {
            Ok(claim) => {
                mark_claimed(tx, effects, now, &next, &claim)?;
                return Ok(Some(claim));
            }
            Err(error @ StoreError::Content { .. }) => {
                fail_unreadable(tx, effects, now, &next, &error)?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether the run has to wait with this task: a suspect task runs alone. `has_suspect` is `None` if the run has no claims.
fn must_wait(has_suspect: Option<bool>, next: &NextTask) -> bool {
    has_suspect.is_some_and(|has_suspect| has_suspect || next.is_suspect)
}

/// Marks a task as claimed. It reads no answers, so that its statements are sent together with the commit.
fn mark_claimed(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    next: &NextTask,
    claim: &Claim,
) -> Result<(), StoreError> {
    tx.claim_task(claim, now.wall)?;
    charge(tx, next)?;
    count(tx, Counter::Claims(&next.kind), 1.0)?;

    // A job whose recording is being fetched still waits for a worker.
    if claim.task.kind() != TaskKind::Fetch {
        tx.start_job(claim.job_seq, claim.attempt, now.wall)?;
    }
    effects.changed.insert(claim.job_id);
    Ok(())
}

/// Whether the task may need the recordings of known speakers: the preparation of a short recording labels its speakers as well.
fn may_name_speakers(claim: &Claim) -> bool {
    let names = &claim.options.known_speaker_names;
    !names.is_empty() && matches!(claim.task.kind(), TaskKind::Prepare | TaskKind::Diarize)
}

/// Fails a job that cannot be read, so that it does not block the others for ever.
fn fail_unreadable(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    next: &NextTask,
    error: &StoreError,
) -> Result<(), StoreError> {
    let job_id = next.job_id;
    tracing::error!(error = error as &dyn std::error::Error, job.id = %job_id, "job {job_id} cannot be done");
    let failure = Failure {
        code: FailureCode::EngineError,
        message: "what is stored of this job cannot be read; submit it again".to_owned(),
        retryable: false,
        reason: None,
    };
    fail(
        tx,
        effects,
        &Ending {
            job_seq: next.job_seq,
            job_id,
            now,
        },
        &failure,
    )
}

/// Puts the work that is expected of a task on its owner's account.
fn charge(tx: &Tx<'_>, next: &NextTask) -> Result<(), StoreError> {
    let cost_ms = match TaskKind::from_stored(&next.kind) {
        Some(TaskKind::Prepare | TaskKind::Diarize) => PREPARE_COST_MS,
        Some(TaskKind::Transcribe) => (next.span_ms as f64 * EXPECTED_REAL_TIME_FACTOR) as i64,
        Some(TaskKind::Voices) => (next.span_ms as f64 * VOICES_REAL_TIME_FACTOR) as i64,
        Some(TaskKind::Fetch) | None => 0,
    };
    tx.charge_owner(&next.owner, cost_ms.max(1), next.served_ms)
}

/// The claim of a task. [`StoreError::Content`] if what is stored of it cannot be read.
fn new_claim(tx: &Tx<'_>, run_id: &str, next: &NextTask) -> Result<Claim, StoreError> {
    let mut claim = Claim {
        id: ClaimId::random(),
        job_id: next.job_id,
        task: input(next)?,
        options: parse("options", &next.options)?,
        language: next.language.clone(),
        model: next.model.clone(),
        attempt: next.failures + next.crashes + 1,
        request_id: next.request_id.clone(),
        is_alone: next.is_suspect,
        task_id: next.id,
        job_seq: next.job_seq,
        run_id: run_id.to_owned(),
        owner: next.owner.clone(),
    };
    if may_name_speakers(&claim)
        && let Some(references) = tx.speaker_references(next.job_seq)?
    {
        claim.options.known_speaker_references = references;
    }
    Ok(claim)
}

fn input(next: &NextTask) -> Result<TaskInput, StoreError> {
    match TaskKind::from_stored(&next.kind) {
        Some(TaskKind::Prepare) => Ok(TaskInput::Prepare {
            audio: next.audio.clone(),
        }),
        Some(TaskKind::Voices) => voices_task(next).map(TaskInput::Voices),
        Some(TaskKind::Diarize) => match &next.spool {
            Some(spool) => Ok(TaskInput::Diarize {
                spool: spool.clone(),
            }),
            None => Err(StoreError::Contradiction {
                action: "read a recording",
            }),
        },
        Some(TaskKind::Transcribe) => {
            let (Some(spool), Some(index), Some(stretches)) =
                (&next.spool, next.span_index, &next.stretches)
            else {
                return Err(StoreError::Contradiction {
                    action: "read a span",
                });
            };

            Ok(TaskInput::Transcribe(SpanTask {
                spool: spool.clone(),
                index,
                span: PlannedSpan {
                    stretches: parse("stretches", stretches)?,
                    certainty: Certainty::from_stored(next.certainty.as_deref()),
                    language: next.language.clone(),
                },
            }))
        }
        Some(TaskKind::Fetch) => {
            let input = next.input.as_deref().unwrap_or_default();
            Ok(TaskInput::Fetch(parse("input", input)?))
        }
        // `next_task.sql` leaves the kinds that it does not know to others.
        None => Err(StoreError::UnknownTaskKind(next.kind.clone())),
    }
}

/// The block of a `voices` task. It has the columns of a span with one stretch.
fn voices_task(next: &NextTask) -> Result<VoicesTask, StoreError> {
    let (Some(spool), Some(index), Some(stretches)) =
        (&next.spool, next.span_index, &next.stretches)
    else {
        return Err(StoreError::Contradiction {
            action: "read a block",
        });
    };
    let [(start, end)] = parse("stretches", stretches)?;
    Ok(VoicesTask {
        spool: spool.clone(),
        index,
        block: start..end,
    })
}

fn parse<T: DeserializeOwned>(what: &'static str, json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|source| StoreError::Content { what, source })
}

//! Statements about tasks and claims.
//!
//! Those that end a claim name it in their condition: they change no row, and return that, when the claim was lost.

use std::ops::Range;

use steno_models::{JobId, Segment, Timestamp};

use crate::StoreError;
use crate::tasks::assemble::DoneSpan;
use crate::tasks::types::{
    Certainty, Claim, ClaimId, PlannedSpan, SpanOutcome, SpanOutput, TaskStatus,
};
use crate::tx::rows::{json, optional_json, to_json};
use crate::tx::{
    DoneClaim, EndedClaim, Offer, Statement, TaskInHand, TaskOfRun, Tx, VoicesRow, parameters, sql,
};
use crate::upkeep::inspect::InspectedTask;

/// Which tasks a claim may take; each list is a JSON array of words.
pub(crate) struct Claimable {
    pub(crate) kinds: String,
    /// Of the kinds, those with queues of their own.
    pub(crate) later_kinds: String,
    /// Names of what a job may require.
    pub(crate) known: String,
    /// Queues from which nothing is taken now, as a JSON array.
    pub(crate) full_queues: String,
    /// Prepared jobs of an owner from which on its spans come first.
    pub(crate) max_prepared: u32,
}

impl Tx<'_> {
    pub(crate) fn insert_prepare_task(&self, job: i64) -> Result<(), StoreError> {
        self.run(sql!("insert_prepare_task"), parameters! {":job": job})
    }

    pub(crate) fn insert_span_task(
        &self,
        job: i64,
        index: usize,
        span: &PlannedSpan,
    ) -> Result<(), StoreError> {
        let stretches = to_json("stretches", &span.stretches)?;
        let parameters = parameters! {
            ":job": job,
            ":span_index": index as i64,
            ":start_sample": span.stretches.first().map_or(0, |(start, _)| *start as i64),
            ":end_sample": span.stretches.last().map_or(0, |(_, end)| *end as i64),
            ":stretches": stretches,
            ":certainty": span.certainty.as_str(),
            ":language": span.language,
        };
        self.run(sql!("insert_span_task"), parameters)
    }

    pub(crate) fn insert_diarize_task(&self, job: i64) -> Result<(), StoreError> {
        let parameters = parameters! {":job": job};
        self.run(sql!("insert_diarize_task"), parameters)
    }

    pub(crate) fn insert_voices_task(
        &self,
        job: i64,
        block: usize,
        samples: &Range<u64>,
    ) -> Result<(), StoreError> {
        let parameters = parameters! {
            ":job": job,
            ":block": block as i64,
            ":start_sample": samples.start as i64,
            ":end_sample": samples.end as i64,
        };
        self.run(sql!("insert_voices_task"), parameters)
    }

    /// Keeps the voices that a task has found.
    pub(crate) fn insert_voices(&self, task: i64, voices: &[u8]) -> Result<(), StoreError> {
        let parameters = parameters! {":task": task, ":body": voices};
        self.run(sql!("insert_voices"), parameters)
    }

    /// What a block of a job yielded; `None` unless its task is done.
    pub(crate) fn found_voices(
        &self,
        job: i64,
        block: u32,
    ) -> Result<Option<VoicesRow>, StoreError> {
        let parameters = parameters! {":job": job, ":block": block};
        self.first(sql!("select_voices"), parameters, VoicesRow::read)
    }

    /// The output of the `diarize` task of a job, if it had one.
    pub(crate) fn diarization(&self, job: i64) -> Result<Option<String>, StoreError> {
        let parameters = parameters! {":job": job};
        self.first(sql!("select_diarization"), parameters, |row| {
            row.get("output")
        })
    }

    pub(crate) fn any_claimable(
        &self,
        now: Timestamp,
        claimable: &Claimable,
    ) -> Result<bool, StoreError> {
        let parameters = parameters! {
            ":now": now.ms(),
            ":known": claimable.known,
            ":kinds": claimable.kinds,
            ":full_queues": claimable.full_queues,
        };
        self.exists(sql!("any_claimable", by_backend), parameters)
    }

    pub(crate) fn promote_waiting_tasks(&self, now: Timestamp) -> Result<(), StoreError> {
        self.run(
            sql!("promote_waiting_tasks"),
            parameters! {":now": now.ms()},
        )
    }

    /// What a run may claim next. `None` where it is not registered.
    pub(crate) fn next_task(
        &self,
        run_id: &str,
        claimable: &Claimable,
    ) -> Result<Option<Offer>, StoreError> {
        let parameters = parameters! {
            ":run_id": run_id,
            ":known": claimable.known,
            ":kinds": claimable.kinds,
            ":later_kinds": claimable.later_kinds,
            ":full_queues": claimable.full_queues,
            ":max_prepared": claimable.max_prepared,
        };
        self.first(sql!("next_task", by_backend), parameters, Offer::read)
    }

    /// Queues of owners that already use their share of a courier's slots.
    pub(crate) fn full_fetch_queues(&self, run_id: &str) -> Result<Vec<String>, StoreError> {
        let parameters = parameters! {":run_id": run_id};
        self.all(sql!("full_fetch_queues"), parameters, |row| row.get(0))
    }

    pub(crate) fn claim_task(&self, claim: &Claim, now: Timestamp) -> Result<(), StoreError> {
        let parameters = parameters! {
            ":task": claim.task_id,
            ":claim_id": claim.id.as_bytes(),
            ":run_id": claim.run_id,
            ":now": now.ms(),
        };
        self.change_row(sql!("claim_task"), parameters, "claim a task")
    }

    pub(crate) fn task_failures(&self, task: i64) -> Result<Option<u32>, StoreError> {
        let parameters = parameters! {":task": task};
        self.first(sql!("task_failures"), parameters, |row| row.get(0))
    }

    /// Ends a claim with the output of its span. `None` if the claim was lost.
    pub(crate) fn finish_span(
        &self,
        claim: &Claim,
        segments: &str,
        outcome: &str,
    ) -> Result<Option<DoneClaim>, StoreError> {
        let parameters = parameters! {
            ":task": claim.task_id,
            ":claim_id": claim.id.as_bytes(),
            ":segments": segments,
            ":outcome": outcome,
        };
        self.first(sql!("finish_span"), parameters, DoneClaim::read)
    }

    /// Ends a claim with who speaks when. `None` if the claim was lost.
    pub(crate) fn finish_diarize(
        &self,
        claim: &Claim,
        output: &str,
    ) -> Result<Option<DoneClaim>, StoreError> {
        self.finish_with_output(sql!("finish_diarize"), claim, output)
    }

    /// Ends a claim with the outcome of a block. `None` if the claim was lost; `is_last` is about the blocks alone.
    pub(crate) fn finish_voices(
        &self,
        claim: &Claim,
        output: &str,
    ) -> Result<Option<DoneClaim>, StoreError> {
        self.finish_with_output(sql!("finish_voices"), claim, output)
    }

    fn finish_with_output(
        &self,
        statement: Statement,
        claim: &Claim,
        output: &str,
    ) -> Result<Option<DoneClaim>, StoreError> {
        let parameters = parameters! {
            ":task": claim.task_id,
            ":claim_id": claim.id.as_bytes(),
            ":output": output,
        };
        self.first(statement, parameters, DoneClaim::read)
    }

    /// Ends a claim and deletes its task. `None` if the claim was lost.
    pub(crate) fn remove_claimed_task(
        &self,
        claim: &Claim,
    ) -> Result<Option<EndedClaim>, StoreError> {
        let parameters = parameters! {":task": claim.task_id, ":claim_id": claim.id.as_bytes()};
        self.first(sql!("remove_claimed_task"), parameters, EndedClaim::read)
    }

    /// Ends a claim; its task waits until `run_at`.
    pub(crate) fn postpone_task(
        &self,
        claim: &Claim,
        run_at: Timestamp,
        failures: u32,
    ) -> Result<usize, StoreError> {
        let parameters = parameters! {
            ":task": claim.task_id,
            ":claim_id": claim.id.as_bytes(),
            ":run_at": run_at.ms(),
            ":failures": failures,
        };
        self.execute(sql!("postpone_task"), parameters)
    }

    /// Ends a claim; its task is ready again.
    pub(crate) fn release_task(&self, task: i64, claim: ClaimId) -> Result<usize, StoreError> {
        let parameters = parameters! {":task": task, ":claim_id": claim.as_bytes()};
        self.execute(sql!("release_task"), parameters)
    }

    pub(crate) fn release_tasks_of_run(&self, run_id: &str) -> Result<usize, StoreError> {
        self.execute(
            sql!("release_tasks_of_run"),
            parameters! {":run_id": run_id},
        )
    }

    pub(crate) fn tasks_of_run(&self, run_id: &str) -> Result<Vec<TaskOfRun>, StoreError> {
        self.all(
            sql!("tasks_of_run"),
            parameters! {":run_id": run_id},
            |row| {
                Ok(TaskOfRun {
                    id: row.get(0)?,
                    job_seq: row.get(1)?,
                    job_id: JobId::from_bytes(row.get(2)?),
                    crashes: row.get(3)?,
                    claim_id: row.get(4)?,
                    kind: row.get(5)?,
                })
            },
        )
    }

    /// Makes a task of a dead run ready. Changes no row where its job has ended meanwhile.
    pub(crate) fn reclaim_task(&self, task: &TaskInHand) -> Result<usize, StoreError> {
        let parameters = parameters! {
            ":task": task.id,
            ":crashes": task.crashes,
            ":is_suspect": task.is_suspect,
        };
        self.execute(sql!("reclaim_task", by_backend), parameters)
    }

    pub(crate) fn claims_of_job(&self, job: i64) -> Result<Vec<ClaimId>, StoreError> {
        self.all(sql!("claims_of_job"), parameters! {":job": job}, |row| {
            Ok(ClaimId::from_bytes(row.get(0)?))
        })
    }

    pub(crate) fn claims_of_run(&self, run_id: &str) -> Result<Vec<ClaimId>, StoreError> {
        let parameters = parameters! {":run_id": run_id};
        self.all(sql!("claims_of_run"), parameters, |row| {
            Ok(ClaimId::from_bytes(row.get(0)?))
        })
    }

    pub(crate) fn delete_tasks(&self, job: i64) -> Result<(), StoreError> {
        self.run(sql!("delete_tasks"), parameters! {":job": job})
    }

    /// The spans of a job whose tasks are all done, in the order of the recording.
    pub(crate) fn done_spans(&self, job: i64) -> Result<Vec<DoneSpan>, StoreError> {
        self.all(
            sql!("select_done_spans", by_backend),
            parameters! {":job": job},
            |row| {
                let certainty: Option<String> = row.get("certainty")?;
                let SpanOutcome {
                    dropped,
                    sounds_like,
                } = json(row, "outcome")?;
                Ok(DoneSpan {
                    plan: PlannedSpan {
                        stretches: json(row, "stretches")?,
                        certainty: Certainty::from_stored(certainty.as_deref()),
                        language: row.get("language")?,
                    },
                    output: SpanOutput {
                        segments: json(row, "segments")?,
                        dropped,
                        sounds_like,
                    },
                })
            },
        )
    }

    /// The segments of a job's spans from one on, in order, up to the first that is not done.
    pub(crate) fn done_segments(
        &self,
        job: JobId,
        from_span: u32,
    ) -> Result<Vec<Vec<Segment>>, StoreError> {
        let parameters = parameters! {":id": job.as_bytes(), ":from": from_span};
        self.read_while(sql!("select_segments"), parameters, |row| {
            optional_json(row, "segments")
        })
    }

    pub(crate) fn inspect_tasks(&self, job: JobId) -> Result<Vec<InspectedTask>, StoreError> {
        let parameters = parameters! {":id": job.as_bytes()};
        self.all(sql!("inspect_tasks"), parameters, |row| {
            let status: String = row.get("status")?;
            let status = TaskStatus::from_stored(&status).ok_or(StoreError::Contradiction {
                action: "read the status of a task",
            })?;
            Ok(InspectedTask {
                kind: row.get("kind")?,
                span: row.get("span_index")?,
                status,
                failures: row.get("failures")?,
                crashes: row.get("crashes")?,
            })
        })
    }

    pub(crate) fn retry_tasks(&self, job: Option<JobId>) -> Result<usize, StoreError> {
        let parameters = parameters! {":id": job.as_ref().map(JobId::as_bytes)};
        self.execute(sql!("retry_tasks"), parameters)
    }
}

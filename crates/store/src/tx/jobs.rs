//! Statements about jobs, their inputs, results and tombstones.

use steno_models::{JobId, SpeakerReference, Status, Timestamp, Tombstone, TranscribeRequest};

use crate::StoreError;
use crate::tasks::assemble::RecordingFacts;
use crate::tasks::types::Failure;
use crate::tx::rows::{json, word};
use crate::tx::{EarlierJob, JobRow, NewInput, NewJobRow, PlanRow, Tx, parameters, sql};
use crate::upkeep::inspect::{InspectedJob, JobFilter};

impl Tx<'_> {
    pub(crate) fn insert_job(&self, job: &NewJobRow<'_>) -> Result<i64, StoreError> {
        let parameters = parameters! {
            ":id": job.id.as_bytes(),
            ":owner": job.owner,
            ":priority": job.priority,
            ":created_at": job.created_at.ms(),
            ":ttl_deadline": job.ttl_deadline.ms(),
            ":language": job.language,
        };
        self.one(sql!("insert_job"), parameters, |row| row.get(0))
    }

    pub(crate) fn insert_input(&self, job: i64, input: &NewInput<'_>) -> Result<(), StoreError> {
        let parameters = parameters! {
            ":job": job,
            ":options": input.options,
            ":requires": input.requires,
            ":audio": input.audio,
            ":audio_bytes": input.audio_bytes as i64,
            ":audio_sha256": input.audio_sha256,
            ":fingerprint": input.fingerprint,
            ":shared": input.shared,
            ":request_id": input.request_id,
        };
        self.run(sql!("insert_input"), parameters)
    }

    pub(crate) fn insert_speaker_references(&self, job: i64, body: &str) -> Result<(), StoreError> {
        let parameters = parameters! {":job": job, ":body": body};
        self.run(sql!("insert_speaker_references"), parameters)
    }

    /// The recordings of a job's known speakers. `None` if the job has none, or has them among its options.
    pub(crate) fn speaker_references(
        &self,
        job: i64,
    ) -> Result<Option<Vec<SpeakerReference>>, StoreError> {
        let parameters = parameters! {":job": job};
        self.first(sql!("select_speaker_references"), parameters, |row| {
            json(row, "body")
        })
    }

    pub(crate) fn insert_idempotency_key(
        &self,
        owner: &str,
        key: &str,
        job: i64,
    ) -> Result<(), StoreError> {
        let parameters = parameters! {":owner": owner, ":key": key, ":job": job};
        self.run(sql!("insert_idempotency_key"), parameters)
    }

    pub(crate) fn find_job_of_key(
        &self,
        owner: &str,
        key: &str,
    ) -> Result<Option<EarlierJob>, StoreError> {
        let parameters = parameters! {":owner": owner, ":key": key};
        self.first(sql!("find_job_of_key"), parameters, EarlierJob::read)
    }

    pub(crate) fn find_shared_job(
        &self,
        owner: &str,
        fingerprint: [u8; 32],
        still_there_at: Timestamp,
    ) -> Result<Option<EarlierJob>, StoreError> {
        let parameters = parameters! {
            ":owner": owner,
            ":fingerprint": fingerprint,
            ":still_there_at": still_there_at.ms(),
        };
        self.first(sql!("find_shared_job"), parameters, EarlierJob::read)
    }

    pub(crate) fn any_shared_job(&self, owner: &str) -> Result<bool, StoreError> {
        self.exists(sql!("any_shared_job"), parameters! {":owner": owner})
    }

    /// Whether at least `max_pending_jobs` jobs are pending.
    pub(crate) fn is_queue_full(&self, max_pending_jobs: u64) -> Result<bool, StoreError> {
        let max_pending = i64::try_from(max_pending_jobs).unwrap_or(i64::MAX);
        self.exists(
            sql!("is_queue_full"),
            parameters! {":max_pending": max_pending},
        )
    }

    /// `None` for a job that is not there.
    pub(crate) fn count_jobs_ahead(&self, seq: i64) -> Result<Option<u64>, StoreError> {
        self.first(
            sql!("count_jobs_ahead", by_backend),
            parameters! {":seq": seq},
            |row| Ok(row.get::<i64>(0)? as u64),
        )
    }

    pub(crate) fn get_job(
        &self,
        owner: Option<&str>,
        job: JobId,
    ) -> Result<Option<JobRow>, StoreError> {
        let parameters = parameters! {":id": job.as_bytes(), ":owner": owner};
        self.first(sql!("get_job"), parameters, JobRow::read)
    }

    pub(crate) fn list_jobs(
        &self,
        now: Timestamp,
        owner: &str,
        status: Option<Status>,
        before: (Timestamp, JobId),
        limit: u32,
    ) -> Result<Vec<JobRow>, StoreError> {
        let (created_at, id) = before;
        let parameters = parameters! {
            ":owner": owner,
            ":created_at": created_at.ms(),
            ":id": id.as_bytes(),
            ":status": status.map(Status::as_str),
            ":now": now.ms(),
            ":limit": limit,
        };
        self.all(sql!("list_jobs"), parameters, JobRow::read)
    }

    pub(crate) fn job_has_ended(&self, job: JobId) -> Result<bool, StoreError> {
        let parameters = parameters! {":id": job.as_bytes()};
        self.one(sql!("job_has_ended"), parameters, |row| row.get(0))
    }

    pub(crate) fn job_seq(
        &self,
        owner: Option<&str>,
        job: JobId,
    ) -> Result<Option<i64>, StoreError> {
        let parameters = parameters! {":id": job.as_bytes(), ":owner": owner};
        self.first(sql!("job_seq"), parameters, |row| row.get(0))
    }

    /// Marks a job as begun with that attempt of one of its tasks.
    pub(crate) fn start_job(
        &self,
        seq: i64,
        attempt: u32,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = parameters! {":job": seq, ":attempt": attempt, ":now": now.ms()};
        self.run(sql!("start_job"), parameters)
    }

    pub(crate) fn store_plan(&self, seq: i64, plan: &PlanRow<'_>) -> Result<(), StoreError> {
        let parameters = parameters! {
            ":job": seq,
            ":duration_ms": plan.duration_ms as i64,
            ":speech_ms": plan.speech_ms as i64,
            ":compute_ms": plan.compute_ms,
            ":language": plan.language,
            ":language_probability": plan.language_probability,
            ":spool": plan.spool,
            ":spool_bytes": plan.spool_bytes as i64,
            ":warnings": plan.warnings,
            ":model": plan.model,
        };
        self.change_row(sql!("store_plan"), parameters, "store the plan of a job")
    }

    pub(crate) fn require_span_languages(&self, seq: i64) -> Result<(), StoreError> {
        self.run(
            sql!("require_span_languages", by_backend),
            parameters! {":job": seq},
        )
    }

    pub(crate) fn add_done_speech(&self, seq: i64, ms: u64) -> Result<(), StoreError> {
        let parameters = parameters! {":job": seq, ":ms": ms as i64};
        let action = "count the speech of a span";
        self.change_row(sql!("add_done_speech"), parameters, action)
    }

    /// What is known of a job's recording; the name of the weights is left empty.
    pub(crate) fn recording_facts(&self, seq: i64) -> Result<RecordingFacts, StoreError> {
        self.one(sql!("select_recording"), parameters! {":job": seq}, |row| {
            Ok(RecordingFacts {
                language: row.get("language")?,
                language_probability: row.get("language_probability")?,
                duration_ms: row.get::<i64>("duration_ms")?.max(0) as u64,
                model: String::new(),
                warnings: json(row, "warnings")?,
                diarization: None,
                options: TranscribeRequest::default(),
            })
        })
    }

    pub(crate) fn insert_result(&self, seq: i64, body: &str) -> Result<(), StoreError> {
        let parameters = parameters! {":job": seq, ":body": body};
        self.run(sql!("insert_result"), parameters)
    }

    pub(crate) fn complete_job(
        &self,
        seq: i64,
        now: Timestamp,
        language: Option<&str>,
    ) -> Result<(), StoreError> {
        let parameters = parameters! {":job": seq, ":now": now.ms(), ":language": language};
        self.change_row(sql!("complete_job"), parameters, "complete a job")
    }

    pub(crate) fn fail_job(
        &self,
        seq: i64,
        now: Timestamp,
        failure: &Failure,
    ) -> Result<(), StoreError> {
        let parameters = parameters! {
            ":job": seq,
            ":now": now.ms(),
            ":code": failure.code.as_str(),
            ":reason": failure.reason,
            ":message": failure.message,
        };
        self.change_row(sql!("fail_job"), parameters, "fail a job")
    }

    pub(crate) fn mark_retrieved(
        &self,
        job: JobId,
        began: Timestamp,
        grace_end: Timestamp,
    ) -> Result<usize, StoreError> {
        let parameters = parameters! {
            ":id": job.as_bytes(),
            ":began": began.ms(),
            ":grace_end": grace_end.ms(),
        };
        self.execute(sql!("mark_retrieved", by_backend), parameters)
    }

    pub(crate) fn due_expired(&self, now: Timestamp, batch: u32) -> Result<Vec<i64>, StoreError> {
        let parameters = parameters! {":now": now.ms(), ":batch": batch};
        self.all(sql!("select_expired"), parameters, |row| row.get(0))
    }

    pub(crate) fn due_retrieved(&self, now: Timestamp, batch: u32) -> Result<Vec<i64>, StoreError> {
        let parameters = parameters! {":now": now.ms(), ":batch": batch};
        self.all(sql!("select_retrieved"), parameters, |row| row.get(0))
    }

    pub(crate) fn delete_job(&self, seq: i64) -> Result<(), StoreError> {
        self.run(sql!("delete_job"), parameters! {":job": seq})
    }

    /// Returns the id of the job.
    pub(crate) fn insert_tombstone(
        &self,
        seq: i64,
        reason: &str,
        now: Timestamp,
        longer_ms: i64,
    ) -> Result<JobId, StoreError> {
        let parameters = parameters! {
            ":job": seq,
            ":reason": reason,
            ":now": now.ms(),
            ":longer_ms": longer_ms,
        };
        self.one(sql!("insert_tombstone"), parameters, |row| {
            Ok(JobId::from_bytes(row.get(0)?))
        })
    }

    pub(crate) fn get_tombstone(
        &self,
        owner: Option<&str>,
        job: JobId,
        now: Timestamp,
    ) -> Result<Option<Tombstone>, StoreError> {
        let parameters = parameters! {":id": job.as_bytes(), ":owner": owner, ":now": now.ms()};
        self.first(sql!("get_tombstone"), parameters, |row| {
            Ok(Tombstone {
                job_id: job,
                status: word(row, "status")?,
                reason: word(row, "reason")?,
                created_at: Timestamp::from_ms(row.get("created_at")?),
                deleted_at: Timestamp::from_ms(row.get("deleted_at")?),
                ttl_deadline: Timestamp::from_ms(row.get("ttl_deadline")?),
            })
        })
    }

    pub(crate) fn any_forgettable_tombstone(&self, now: Timestamp) -> Result<bool, StoreError> {
        self.exists(
            sql!("any_forgettable_tombstone"),
            parameters! {":now": now.ms()},
        )
    }

    pub(crate) fn forget_tombstones(&self, now: Timestamp) -> Result<(), StoreError> {
        self.run(sql!("forget_tombstones"), parameters! {":now": now.ms()})
    }

    pub(crate) fn inspect_jobs(&self, filter: &JobFilter) -> Result<Vec<InspectedJob>, StoreError> {
        let parameters = parameters! {
            ":id": filter.job_id.as_ref().map(JobId::as_bytes),
            ":owner": filter.owner,
            ":status": filter.status.map(Status::as_str),
            ":before": filter.created_by.map_or(i64::MAX, Timestamp::ms),
        };
        self.all(sql!("inspect_jobs"), parameters, |row| {
            Ok(InspectedJob {
                job_id: JobId::from_bytes(row.get("id")?),
                owner: row.get("owner")?,
                status: word(row, "status")?,
                attempts: row.get("attempts")?,
                created_at: Timestamp::from_ms(row.get("created_at")?),
                error_code: row.get("error_code")?,
                audio_bytes: row.get::<i64>("audio_bytes")? as u64,
                tasks_waiting: row.get("tasks_waiting")?,
                tasks_claimed: row.get("tasks_claimed")?,
                tasks_done: row.get("tasks_done")?,
            })
        })
    }
}

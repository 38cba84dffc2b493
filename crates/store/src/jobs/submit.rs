//! Submitting: a stored recording becomes a job with one `prepare` task, unless it is one already.

use sha2::{Digest, Sha256};
use steno_models::{JobId, Status, Timestamp, TranscribeRequest};

use crate::jobs::position::position;
use crate::jobs::quota::{Quota, QuotaCheck, QuotaExceeded};
use crate::tx::{self, NewInput, NewJobRow, Tx};
use crate::upkeep::counters::{Counter, count};
use crate::{Now, Store, StoreError, StoreSettings, StoredAudio};

/// A job that is deleted sooner is not attached to.
const LEAST_LIFE_MS: i64 = 5_000;

/// A job to submit.
#[derive(Debug)]
pub struct NewJob {
    /// The recording, durable on disk.
    pub audio: StoredAudio,
    /// What the client asked for.
    pub options: TranscribeRequest,
    /// Name of the API key it came with; empty where none is asked for.
    pub owner: String,
    /// The client's name for this submission: with the same one, an equal submission is not a second job.
    pub idempotency_key: Option<String>,
    /// Whether an equal submission may attach to this job, and this one to an equal job.
    pub shared: bool,
    /// What its owner may have in the queue.
    pub quota: Quota,
    /// Jobs that may be pending, of all owners.
    pub max_pending_jobs: u64,
    /// The call that submits it, for the logs.
    pub request_id: String,
}

/// Which earlier job of its owner a submission may be.
#[derive(Clone, Debug)]
pub enum EarlierJob {
    /// None: it becomes a job of its own.
    None,
    /// The one with this idempotency key.
    OfKey(String),
    /// Any that may be shared.
    Shared,
}

/// What became of a submission.
#[derive(Clone, Copy, Debug)]
pub enum Submission {
    /// It is a job now, or was one before. Survives power loss.
    Accepted(Accepted),
    /// Its idempotency key names a job of another recording or other options.
    KeyInUse,
    /// Its owner has too much in the queue.
    Refused(QuotaExceeded),
    /// As many jobs are pending as may be.
    QueueFull,
}

/// A submitted job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The job's id.
    pub job_id: JobId,
    /// `pending`, unless the job is an earlier one.
    pub status: Status,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it is deleted at the latest.
    pub ttl_deadline: Timestamp,
    /// Place in the queue, 1 is next; `None` if it has begun.
    pub position: Option<u64>,
    /// Whether this submission made the job.
    pub is_new: bool,
}

/// A job to submit, and what distinguishes it from others.
struct Fingerprinted {
    job: NewJob,
    /// As JSON.
    options: String,
    /// What a worker must know to do the job: names of options, as a JSON array.
    requires: String,
    /// SHA-256 of the recording's SHA-256 and the canonical options.
    fingerprint: [u8; 32],
}

impl Fingerprinted {
    fn of(job: NewJob) -> Result<Self, serde_json::Error> {
        let options = serde_json::to_string(&job.options)?;
        let requires = serde_json::to_string(&job.options.requirements()?)?;
        let canonical = job.options.canonical()?;
        let fingerprint = Sha256::new()
            .chain_update(job.audio.sha256)
            .chain_update(canonical)
            .finalize()
            .into();
        Ok(Self {
            job,
            options,
            requires,
            fingerprint,
        })
    }
}

impl Store {
    /// Inserts a job and its `prepare` task and wakes the workers. When this returns, the job is durable. When the job was there
    /// before, or this fails, the recording is deleted, unless it is unknown whether the commit succeeded: then the next start
    /// finds out.
    pub fn submit_job(&self, now: Now, job: NewJob) -> Result<Submission, StoreError> {
        let new = Fingerprinted::of(job).map_err(|source| StoreError::Content {
            what: "options",
            source,
        })?;
        self.follow_clock(now)?;
        // A job that is accepted into a folder that was moved is lost.
        self.check_in_place()?;
        let outcome = self.write_in_free_space(|tx, effects| {
            if !new.job.quota.is_unlimited() {
                // From here on the job counts, not its upload.
                tx.delete_upload(new.job.audio.job_id)?;
            }
            if let Some(earlier) = find_earlier(tx, now, &new)? {
                let is_equal = earlier.fingerprint == Some(new.fingerprint);
                let submission = if is_equal {
                    Submission::Accepted(Accepted::from(&earlier))
                } else {
                    Submission::KeyInUse
                };
                return Ok((earlier.seq, submission));
            }

            let usage = tx.usage(&new.job.owner, None)?;
            if let QuotaCheck::Exceeded(exceeded) = new.job.quota.check(usage, new.job.audio.bytes)
            {
                return Ok((0, Submission::Refused(exceeded)));
            }
            if tx.count_pending_jobs()? >= new.job.max_pending_jobs {
                return Ok((0, Submission::QueueFull));
            }

            effects.work = true;
            let (seq, accepted) = insert(tx, now, &new, &self.settings)?;
            Ok((seq, Submission::Accepted(accepted)))
        });
        let submitted = match outcome {
            Ok(submitted) => submitted,
            Err(error) => {
                if error.is_fatal() {
                    // A commit that failed may be found whole at the next start, with this recording's name in it.
                    new.job.audio.keep();
                }
                return Err(error);
            }
        };
        let (seq, Submission::Accepted(mut accepted)) = submitted else {
            return Ok(submitted.1);
        };
        if accepted.is_new {
            new.job.audio.keep();
        }
        if accepted.status == Status::Pending {
            // Counted outside the write lock: with a long backlog it takes milliseconds.
            accepted.position = self.read(|tx| position(tx, seq))?;
        }
        Ok(Submission::Accepted(accepted))
    }

    /// Whether an owner has a job that a submission may repeat, before its recording is known.
    pub fn may_have_earlier(&self, owner: &str, earlier: &EarlierJob) -> Result<bool, StoreError> {
        self.read(|tx| match earlier {
            EarlierJob::None => Ok(false),
            EarlierJob::OfKey(key) => Ok(tx.find_job_of_key(owner, key)?.is_some()),
            EarlierJob::Shared => tx.any_shared_job(owner),
        })
    }

    /// How many jobs are pending.
    pub fn count_pending_jobs(&self) -> Result<u64, StoreError> {
        self.read(|tx| tx.count_pending_jobs())
    }
}

/// The job that a submission repeats: by its key, or, where both are shared, by what it is.
fn find_earlier(
    tx: &Tx<'_>,
    now: Now,
    new: &Fingerprinted,
) -> Result<Option<tx::EarlierJob>, StoreError> {
    if let Some(key) = &new.job.idempotency_key
        && let Some(earlier) = tx.find_job_of_key(&new.job.owner, key)?
    {
        return Ok(Some(earlier));
    }
    if !new.job.shared {
        return Ok(None);
    }
    let still_there_at = now.wall.plus_ms(LEAST_LIFE_MS);
    tx.find_shared_job(&new.job.owner, new.fingerprint, still_there_at)
}

/// Inserts the job with its `prepare` task. Returns its number, and what its client gets.
fn insert(
    tx: &Tx<'_>,
    now: Now,
    new: &Fingerprinted,
    settings: &StoreSettings,
) -> Result<(i64, Accepted), StoreError> {
    count(tx, Counter::Submitted, 1.0)?;
    let job = &new.job;
    let ttl_deadline = now.wall.plus_ms(settings.ttl.as_millis() as i64);

    let seq = tx.insert_job(&NewJobRow {
        id: job.audio.job_id,
        owner: &job.owner,
        priority: i64::from(job.options.priority),
        created_at: now.wall,
        ttl_deadline,
        language: job.options.language.as_deref(),
    })?;
    let input = NewInput {
        options: &new.options,
        requires: &new.requires,
        audio: &job.audio.name,
        audio_bytes: job.audio.bytes,
        audio_sha256: job.audio.sha256,
        fingerprint: new.fingerprint,
        shared: job.shared,
        request_id: &job.request_id,
    };
    tx.insert_input(seq, &input)?;
    tx.insert_prepare_task(seq)?;
    if let Some(key) = &job.idempotency_key {
        tx.insert_idempotency_key(&job.owner, key, seq)?;
    }

    let accepted = Accepted {
        job_id: job.audio.job_id,
        status: Status::Pending,
        created_at: now.wall,
        ttl_deadline,
        position: None,
        is_new: true,
    };
    Ok((seq, accepted))
}

impl From<&tx::EarlierJob> for Accepted {
    fn from(job: &tx::EarlierJob) -> Self {
        Self {
            job_id: job.id,
            status: job.status,
            created_at: job.created_at,
            ttl_deadline: job.ttl_deadline,
            position: None,
            is_new: false,
        }
    }
}

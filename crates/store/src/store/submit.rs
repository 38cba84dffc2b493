//! Submitting: a stored recording becomes a job with one `prepare` task, unless it is one already.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, Transaction, named_params};
use sha2::{Digest, Sha256};
use steno_models::{JobId, Status, Timestamp, TranscribeRequest};

use super::counters::{Counter, count};
use super::get::word;
use super::quota::{Quota, QuotaCheck, QuotaExceeded, remove_upload, usage};
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

/// A job to submit, and what tells it from others.
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

/// A job that a submission repeats.
struct Earlier {
    seq: i64,
    accepted: Accepted,
    fingerprint: Option<[u8; 32]>,
}

impl Store {
    /// Inserts a job and its `prepare` task and wakes the workers. When this returns, the job is durable; when the job was there
    /// before, or this fails, the recording is gone as well, unless nobody can know whether the job is there: then the next start
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
                remove_upload(tx, new.job.audio.job_id)?;
            }
            if let Some(earlier) = find_earlier(tx, now, &new)? {
                let is_equal = earlier.fingerprint == Some(new.fingerprint);
                let accepted = Submission::Accepted(earlier.accepted);
                return Ok((
                    earlier.seq,
                    if is_equal {
                        accepted
                    } else {
                        Submission::KeyInUse
                    },
                ));
            }
            let usage = usage(tx, &new.job.owner, None)?;
            if let QuotaCheck::Exceeded(exceeded) = new.job.quota.check(usage, new.job.audio.bytes)
            {
                return Ok((0, Submission::Refused(exceeded)));
            }
            if pending_jobs(tx)? >= new.job.max_pending_jobs {
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
            accepted.position = self.read(|connection| position(connection, seq))?;
        }
        Ok(Submission::Accepted(accepted))
    }

    /// Whether an owner has a job that a submission may turn out to be, before its recording is known.
    pub fn may_have_earlier(&self, owner: &str, earlier: &EarlierJob) -> Result<bool, StoreError> {
        self.read(|connection| {
            let found = match earlier {
                EarlierJob::None => false,
                EarlierJob::OfKey(key) => connection
                    .prepare_cached(include_str!("../sql/find_job_of_key.sql"))?
                    .exists(named_params! {":owner": owner, ":key": key})?,
                EarlierJob::Shared => connection
                    .prepare_cached(include_str!("../sql/any_shared_job.sql"))?
                    .exists(named_params! {":owner": owner})?,
            };
            Ok(found)
        })
    }

    /// How many jobs are pending.
    pub fn count_pending_jobs(&self) -> Result<u64, StoreError> {
        self.read(pending_jobs)
    }
}

fn pending_jobs(connection: &Connection) -> Result<u64, StoreError> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM jobs WHERE status = 'pending'")?
        .query_row([], |row| row.get(0))?;
    Ok(count as u64)
}

/// The job that a submission repeats: by its key, or, where both are shared, by what it is.
fn find_earlier(
    tx: &Transaction<'_>,
    now: Now,
    new: &Fingerprinted,
) -> Result<Option<Earlier>, StoreError> {
    if let Some(key) = &new.job.idempotency_key
        && let Some(earlier) = find(
            tx,
            include_str!("../sql/find_job_of_key.sql"),
            named_params! {":owner": new.job.owner, ":key": key},
        )?
    {
        return Ok(Some(earlier));
    }
    if !new.job.shared {
        return Ok(None);
    }
    let still_there_at = now.wall.plus_ms(LEAST_LIFE_MS).ms();
    let wanted = named_params! {":owner": new.job.owner, ":fingerprint": new.fingerprint, ":still_there_at": still_there_at};
    find(tx, include_str!("../sql/find_shared_job.sql"), wanted)
}

fn insert(
    tx: &Transaction<'_>,
    now: Now,
    new: &Fingerprinted,
    settings: &StoreSettings,
) -> Result<(i64, Accepted), StoreError> {
    count(tx, Counter::Submitted, 1.0)?;
    let NewJob {
        audio,
        options,
        owner,
        idempotency_key,
        shared,
        request_id,
        ..
    } = &new.job;
    let ttl_deadline = now.wall.plus_ms(settings.ttl.as_millis() as i64);
    let seq: i64 = tx
        .prepare_cached(include_str!("../sql/insert_job.sql"))?
        .query_row(
            named_params! {
                ":id": audio.job_id.as_bytes(),
                ":owner": owner,
                ":priority": options.priority,
                ":created_at": now.wall.ms(),
                ":ttl_deadline": ttl_deadline.ms(),
                ":language": options.language,
            },
            |row| row.get(0),
        )?;
    tx.prepare_cached(include_str!("../sql/insert_input.sql"))?
        .execute(named_params! {
            ":job": seq,
            ":options": new.options,
            ":requires": new.requires,
            ":audio": audio.name,
            ":audio_bytes": audio.bytes as i64,
            ":audio_sha256": audio.sha256,
            ":fingerprint": new.fingerprint,
            ":shared": shared,
            ":request_id": request_id,
        })?;
    tx.prepare_cached(include_str!("../sql/insert_prepare_task.sql"))?
        .execute(named_params! {":job": seq})?;
    if let Some(key) = idempotency_key {
        tx.prepare_cached(
            "INSERT INTO idempotency_keys (owner, key, job) VALUES (:owner, :key, :job)",
        )?
        .execute(named_params! {":owner": owner, ":key": key, ":job": seq})?;
    }
    let (status, created_at) = (Status::Pending, now.wall);
    let accepted = Accepted {
        job_id: audio.job_id,
        status,
        created_at,
        ttl_deadline,
        position: None,
        is_new: true,
    };
    Ok((seq, accepted))
}

fn find(
    tx: &Transaction<'_>,
    query: &str,
    wanted: &[(&str, &dyn ToSql)],
) -> Result<Option<Earlier>, StoreError> {
    let mut statement = tx.prepare_cached(query)?;
    let mut rows = statement.query(wanted)?;
    rows.next()?.map(earlier).transpose()
}

fn earlier(row: &Row<'_>) -> Result<Earlier, StoreError> {
    let accepted = Accepted {
        job_id: JobId::from_bytes(row.get("id")?),
        status: word(row, "status")?,
        created_at: Timestamp::from_ms(row.get("created_at")?),
        ttl_deadline: Timestamp::from_ms(row.get("ttl_deadline")?),
        position: None,
        is_new: false,
    };
    Ok(Earlier {
        seq: row.get("seq")?,
        accepted,
        fingerprint: row.get("fingerprint")?,
    })
}

/// Place of a job in the queue, 1 is next; `None` if it is not there any more.
pub(super) fn position(connection: &Connection, seq: i64) -> Result<Option<u64>, StoreError> {
    let ahead: Option<i64> = connection
        .prepare_cached(include_str!("../sql/count_jobs_ahead.sql"))?
        .query_row(named_params! {":seq": seq}, |row| row.get(0))
        .optional()?;
    Ok(ahead.map(|ahead| ahead as u64 + 1))
}

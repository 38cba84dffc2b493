//! Submitting: a stored recording becomes a job with one `prepare` task; the address of a recording
//! becomes a job with one `fetch` task. A repeated submission gets the existing job.

use sha2::{Digest, Sha256};
use steno_models::{JobId, Status, Timestamp, TranscribeRequest};

use crate::files::names::fetched_name;
use crate::jobs::position::position;
use crate::jobs::quota::{Quota, QuotaCheck, QuotaExceeded};
use crate::tasks::fetch::FetchTask;
use crate::tx::{self, NewInput, NewJobRow, Tx, to_json};
use crate::upkeep::counters::{Counter, count};
use crate::{Now, Store, StoreError, StoreSettings, StoredAudio};

/// A job that is deleted sooner is not attached to.
const LEAST_LIFE_MS: i64 = 5_000;

/// A job to submit.
#[derive(Debug)]
pub struct NewJob {
    /// The recording.
    pub audio: JobAudio,
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

impl NewJob {
    /// A job with the default options, of no owner, without limits.
    pub fn of(audio: impl Into<JobAudio>) -> Self {
        Self {
            audio: audio.into(),
            options: TranscribeRequest::default(),
            owner: String::new(),
            idempotency_key: None,
            shared: false,
            quota: Quota::default(),
            max_pending_jobs: u64::MAX,
            request_id: String::new(),
        }
    }
}

/// Where the recording of a new job is.
#[derive(Debug)]
pub enum JobAudio {
    /// On disk, durable.
    Stored(StoredAudio),
    /// At an address that it is fetched from.
    AtUrl(JobId, FetchTask),
}

impl JobAudio {
    /// A recording that is to be fetched. Its job gets an id.
    pub fn at_url(task: FetchTask) -> Self {
        Self::AtUrl(JobId::random(), task)
    }

    fn job_id(&self) -> JobId {
        match self {
            Self::Stored(audio) => audio.job_id,
            Self::AtUrl(job_id, _) => *job_id,
        }
    }

    fn require_fresh(&self) -> Result<(), StoreError> {
        match self {
            Self::Stored(audio) => audio.require_fresh(),
            Self::AtUrl(..) => Ok(()),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Stored(audio) => audio.bytes,
            Self::AtUrl(..) => 0,
        }
    }

    fn sha256(&self) -> [u8; 32] {
        match self {
            Self::Stored(audio) => audio.sha256,
            Self::AtUrl(..) => [0; 32],
        }
    }

    /// What identifies this recording: its content, or its address.
    fn identity(&self) -> [u8; 32] {
        match self {
            Self::Stored(audio) => audio.sha256,
            Self::AtUrl(_, task) => Sha256::digest(task.url.as_str()).into(),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Stored(audio) => audio.name.clone(),
            Self::AtUrl(job_id, _) => fetched_name(*job_id),
        }
    }

    fn keep(self) {
        if let Self::Stored(audio) = self {
            audio.keep();
        }
    }
}

impl From<StoredAudio> for JobAudio {
    fn from(audio: StoredAudio) -> Self {
        Self::Stored(audio)
    }
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
    /// As JSON, without the recordings of known speakers.
    options: String,
    /// Those recordings, as JSON.
    references: Option<String>,
    /// What a worker must know to do the job: names of options, as a JSON array.
    requires: String,
    /// SHA-256 of the canonical options and of the recording's SHA-256, or that of its address.
    fingerprint: [u8; 32],
}

impl Fingerprinted {
    fn of(mut job: NewJob) -> Result<Self, serde_json::Error> {
        let requires = serde_json::to_string(&job.options.requirements()?)?;
        let canonical = job.options.canonical()?;
        let fingerprint = Sha256::new()
            .chain_update(job.audio.identity())
            .chain_update(canonical)
            .finalize()
            .into();

        let references = std::mem::take(&mut job.options.known_speaker_references);
        let references = (!references.is_empty()).then(|| serde_json::to_string(&references));
        Ok(Self {
            options: serde_json::to_string(&job.options)?,
            references: references.transpose()?,
            job,
            requires,
            fingerprint,
        })
    }
}

impl Store {
    /// Inserts a job and its first task and wakes the workers, or the couriers. When this returns, the job is durable. When the job was there
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
            new.job.audio.require_fresh()?;
            if !new.job.quota.is_unlimited() {
                // From here on the job counts, not its upload.
                tx.delete_upload(new.job.audio.job_id())?;
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

            if let QuotaCheck::Exceeded(exceeded) = check_quota(tx, &new.job)? {
                return Ok((0, Submission::Refused(exceeded)));
            }
            if tx.is_queue_full(new.job.max_pending_jobs)? {
                return Ok((0, Submission::QueueFull));
            }

            effects.work = true;
            let (seq, accepted) = insert(tx, now, &new, &self.settings)?;
            Ok((seq, Submission::Accepted(accepted)))
        });
        let submitted = match outcome {
            Ok(submitted) => submitted,
            Err(error) => {
                if error.is_outcome_unknown() {
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
            accepted.position = self.read_statements(|tx| position(tx, seq))?;
        }
        Ok(Submission::Accepted(accepted))
    }

    /// Whether an owner has a job that a submission may repeat, before its recording is known.
    pub fn may_have_earlier(&self, owner: &str, earlier: &EarlierJob) -> Result<bool, StoreError> {
        self.read_statements(|tx| match earlier {
            EarlierJob::None => Ok(false),
            EarlierJob::OfKey(key) => Ok(tx.find_job_of_key(owner, key)?.is_some()),
            EarlierJob::Shared => tx.any_shared_job(owner),
        })
    }

    /// Whether at least `max_pending_jobs` jobs are pending.
    pub fn is_queue_full(&self, max_pending_jobs: u64) -> Result<bool, StoreError> {
        self.database
            .read_statements(|tx| tx.is_queue_full(max_pending_jobs))
    }
}

/// Whether the owner of a job may submit it.
fn check_quota(tx: &Tx<'_>, job: &NewJob) -> Result<QuotaCheck, StoreError> {
    if job.quota.is_unlimited() {
        return Ok(QuotaCheck::Within);
    }
    let usage = tx.usage(&job.owner, None)?;
    Ok(job.quota.check(usage, job.audio.bytes()))
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

/// Inserts the job with its first task. Returns its number, and what its client gets.
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
        id: job.audio.job_id(),
        owner: &job.owner,
        priority: i64::from(job.options.priority),
        created_at: now.wall,
        ttl_deadline,
        language: job.options.language.as_deref(),
    })?;
    let input = NewInput {
        options: &new.options,
        requires: &new.requires,
        audio: &job.audio.name(),
        audio_bytes: job.audio.bytes(),
        audio_sha256: job.audio.sha256(),
        fingerprint: new.fingerprint,
        shared: job.shared,
        request_id: &job.request_id,
    };
    tx.insert_input(seq, &input)?;
    if let Some(references) = &new.references {
        tx.insert_speaker_references(seq, references)?;
    }
    match &job.audio {
        JobAudio::Stored(_) => tx.insert_prepare_task(seq)?,
        JobAudio::AtUrl(_, task) => tx.insert_fetch_task(seq, &to_json("input", task)?)?,
    }
    if let Some(key) = &job.idempotency_key {
        tx.insert_idempotency_key(&job.owner, key, seq)?;
    }

    let accepted = Accepted {
        job_id: job.audio.job_id(),
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

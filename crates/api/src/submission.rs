//! The one path of every submission: refuse early, receive, read the options, store, submit.
//!
//! Called by the handlers of `/transcribe`, `/v1` and `/asr`. They differ in their [`Endpoint`]: which body it takes, how it
//! reads options, and which earlier job may answer. To accept recordings in another way, implement `Endpoint`. To add an
//! option, see `steno_models::OPTIONS`: every endpoint reads it from there.

use actix_web::{HttpRequest, web};
use steno_models::{ProblemCode, TranscribeRequest, WebAddress};
use steno_store::{Accepted, EarlierJob, FetchTask, JobAudio, NewJob, Submission};

use crate::auth::Owner;
use crate::middleware::RequestId;
use crate::problem::{ApiError, RETRY_FULL_S};
use crate::state::ApiState;
use crate::upload::{self, Body, Expected, Form, Upload};

/// An endpoint that accepts recordings.
pub(crate) trait Endpoint {
    /// What the client wants of its answer, besides the options of the job.
    type Wanted;

    /// Which body it takes.
    fn expected(&self) -> Expected;

    /// Which earlier job may be the answer.
    fn earlier(&self) -> EarlierJob;

    /// Checks the fields that are known so far: those of the query, then those before the recording. An error ends the
    /// submission before the client has sent the recording.
    async fn check(&self, fields: &Form) -> Result<(), ApiError>;

    /// The recording's address, if the client sent one instead of the recording.
    fn address(&self, _form: &Form) -> Option<WebAddress> {
        None
    }

    /// Reads all fields, once the whole body has arrived.
    async fn read(&self, form: &Form) -> Result<(TranscribeRequest, Self::Wanted), ApiError>;
}

/// A submission that is a job.
pub(crate) struct Submitted<W> {
    pub(crate) job: Accepted,
    pub(crate) options: TranscribeRequest,
    pub(crate) wanted: W,
}

/// Takes a submission from the head of its request to a durable job.
pub(crate) async fn submit<D: Endpoint>(
    endpoint: &D,
    request: &HttpRequest,
    payload: web::Payload,
    state: &ApiState,
) -> Result<Submitted<D::Wanted>, ApiError> {
    // 1. Refuse what can be refused before the body is read.
    let owner = Owner::of(request);
    let expected = endpoint.expected();
    let body = upload::body_of(request, &expected, state.config.max_upload_bytes)?;
    endpoint.check(&Form::default()).await?;
    let may_repeat = check_room(state, &owner, endpoint.earlier()).await?;

    // 2. Receive the recording into a file, or its address.
    let (form, upload) = if body == Body::Json {
        (upload::receive_json(request, payload, state).await?, None)
    } else {
        let mut upload = Upload::begin(state, expected).await?;
        // A possible repeat is not counted: it may need no room.
        if !may_repeat {
            let announced = upload::announced_bytes(request);
            upload.count_against(owner.clone(), announced).await?;
        }
        let form = receive(endpoint, request, payload, body, &mut upload).await?;
        (form, Some(upload))
    };

    // 3. Read the options.
    let (options, wanted) = endpoint.read(&form).await?;

    // 4. Make the recording durable, then the job.
    let (audio, reservation) = match (endpoint.address(&form), upload) {
        (None, Some(upload)) => {
            let (stored, reservation) = upload.finish().await?;
            (JobAudio::Stored(stored), Some(reservation))
        }
        (Some(url), _) => (JobAudio::at_url(fetch_task(state, &owner, url)), None),
        // `Endpoint::read` has refused a submission with neither.
        (None, None) => return Err(ApiError::stopping()),
    };
    let job = new_job(endpoint.earlier(), audio, options.clone(), request, state);
    let accepted = admit(state, job).await?;
    // The commit that made the job has removed the reservation.
    if let Some(reservation) = reservation.filter(|_| accepted.is_new) {
        reservation.forget();
    }
    // The job has the recordings of voices. A caller that waits for its text must not hold them, because they are no longer counted.
    let options = TranscribeRequest {
        known_speaker_references: Vec::new(),
        ..options
    };
    Ok(Submitted {
        job: accepted,
        options,
        wanted,
    })
}

fn new_job(
    earlier: EarlierJob,
    audio: JobAudio,
    options: TranscribeRequest,
    request: &HttpRequest,
    state: &ApiState,
) -> NewJob {
    let owner = Owner::of(request);
    let (idempotency_key, shared) = match earlier {
        EarlierJob::None => (None, false),
        EarlierJob::OfKey(key) => (Some(key), false),
        EarlierJob::Shared => (None, true),
    };
    NewJob {
        audio,
        options,
        owner: owner.name().to_owned(),
        idempotency_key,
        shared,
        quota: owner.quota(),
        max_pending_jobs: state.config.max_pending_jobs,
        request_id: RequestId::of(request),
    }
}

/// Receives a body that may have a recording.
async fn receive<D: Endpoint>(
    endpoint: &D,
    request: &HttpRequest,
    payload: web::Payload,
    body: Body,
    upload: &mut Upload<'_>,
) -> Result<Form, ApiError> {
    if body == Body::Raw {
        // No field can follow, so options that depend on each other are also checked before the
        // recording arrives.
        endpoint.read(&Form::of_recording(1)).await?;
        return upload::receive_raw(request, payload, upload).await;
    }

    let check = async |fields: &Form| endpoint.check(fields).await;
    upload::receive_multipart(request, payload, upload, check).await
}

/// What the courier needs to fetch a recording. It has the limits of an upload.
fn fetch_task(state: &ApiState, owner: &Owner, url: WebAddress) -> FetchTask {
    FetchTask {
        url,
        max_bytes: state.config.max_upload_bytes,
        max_stored_bytes: owner.quota().stored_bytes,
    }
}

/// Refuses a submission that could not be kept. Returns whether it may be a repeat. A possible repeat of an earlier one is checked against free disk only, not
/// against quotas.
async fn check_room(
    state: &ApiState,
    owner: &Owner,
    earlier: EarlierJob,
) -> Result<bool, ApiError> {
    let (name, quota) = (owner.name().to_owned(), owner.quota());
    let max_pending_jobs = state.config.max_pending_jobs;
    let (may_be_there, within_quota, is_full, free) = state
        .call_store(move |store| {
            let may_be_there = store.may_have_earlier(&name, &earlier)?;
            let within_quota = store.check_quota(&name, quota, 1)?;
            let is_full = store.is_queue_full(max_pending_jobs)?;
            Ok((
                may_be_there,
                within_quota,
                is_full,
                store.data().free_bytes()?,
            ))
        })
        .await?;

    if !may_be_there {
        within_quota
            .into_result()
            .map_err(ApiError::quota_exceeded)?;
        if is_full {
            return Err(queue_full(max_pending_jobs));
        }
    }
    if free < state.config.disk_reserve_bytes {
        let detail = "the server's disk is nearly full; try again later";
        return Err(ApiError::new(ProblemCode::DiskReserve, detail).retry_after(RETRY_FULL_S));
    }
    Ok(may_be_there)
}

/// Makes a stored recording a job, or finds its earlier job.
async fn admit(state: &ApiState, job: NewJob) -> Result<Accepted, ApiError> {
    let now = state.now();
    let submission = state
        .call_store(move |store| store.submit_job(now, job))
        .await?;

    match submission {
        Submission::Accepted(accepted) => {
            let job_id = accepted.job_id;
            let verb = if accepted.is_new { "accepted" } else { "found" };
            tracing::info!(job.id = %job_id, "{verb} job {job_id}");
            Ok(accepted)
        }
        Submission::KeyInUse => {
            let detail = "this Idempotency-Key belongs to another recording or to other options; send a new key";
            Err(ApiError::new(ProblemCode::IdempotencyKeyInUse, detail))
        }
        Submission::Refused(exceeded) => Err(ApiError::quota_exceeded(exceeded)),
        Submission::QueueFull => Err(queue_full(state.config.max_pending_jobs)),
    }
}

fn queue_full(max_pending_jobs: u64) -> ApiError {
    let detail =
        format!("the queue takes no more than {max_pending_jobs} pending jobs; try again later");
    ApiError::new(ProblemCode::QueueFull, detail).retry_after(RETRY_FULL_S)
}

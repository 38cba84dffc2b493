//! `POST /transcribe`: takes a recording, or its address, and its options and answers once both are durable.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use steno_models::{JobAccepted, OptionFields, Problem, TranscribeRequest, WebAddress};
use steno_store::EarlierJob;

use crate::extract::QueryPairs;
use crate::forwarded::Forwarded;
use crate::openapi::{RecordingForm, SubmissionByUrl, SubmitQuery};
use crate::problem::ApiError;
use crate::state::ApiState;
use crate::submission::{Endpoint, submit};
use crate::upload::{Expected, FieldValue, Form};

/// Longest idempotency key.
const MAX_KEY_BYTES: usize = 255;
/// The field with the address of a recording.
const URL: &str = "url";

/// Submit a recording.
///
/// Streams the recording to disk, makes it a job, and answers as soon as both are durable. Send a form with the recording
/// in `file` and the options as further fields, or the recording as the body and the options in the query. Or send the
/// address of a recording in `url`, in a form or in JSON: the server fetches it.
#[utoipa::path(
    post,
    path = "/transcribe",
    tag = "jobs",
    params(
        SubmitQuery,
        ("Idempotency-Key" = Option<String>, Header, description =
            "Your name for this submission, 1 to 255 visible ASCII characters. The same key with the same recording and \
             options answers with the first job instead of making a second.", example = "2026-11-24-interview-7"),
    ),
    request_body(content(
        (RecordingForm = "multipart/form-data"),
        (SubmissionByUrl = "application/json"),
        (inline(crate::openapi::Recording) = "application/octet-stream"),
        (inline(crate::openapi::Recording) = "audio/*"),
        (inline(crate::openapi::Recording) = "video/*"),
    )),
    responses(
        (status = 202, description = "The job. It survives power loss.", body = JobAccepted, headers(
            ("Location" = String, description = "Address of the job"),
            ("Retry-After" = u32, description = "Seconds after which to look at it"),
        )),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "`request_timeout`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`upload_too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_options`, `model_unavailable`, `diarization_unavailable`, `idempotency_key_in_use`", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "`quota_exceeded`, `rate_limited`", body = Problem,
            content_type = "application/problem+json"),
        (status = 503, description = "`queue_full`, `too_many_connections`, `not_ready`", body = Problem,
            content_type = "application/problem+json"),
        (status = 507, description = "`disk_reserve`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn submit_job(
    request: HttpRequest,
    query: QueryPairs,
    payload: web::Payload,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let endpoint = Native {
        idempotency_key: idempotency_key(&request)?,
        query,
        state: &state,
    };
    let job = submit(&endpoint, &request, payload, &state).await?.job;

    let prefix = Forwarded::of(&request, &state.config.trusted_proxies).prefix();
    let location = format!("{prefix}/transcribe/{}", job.job_id);
    Ok(HttpResponse::Accepted()
        .insert_header((header::LOCATION, location))
        .insert_header((header::RETRY_AFTER, 1))
        .json(JobAccepted {
            job_id: job.job_id,
            status: job.status,
            created_at: job.created_at,
            ttl_deadline: job.ttl_deadline,
            position: job.position,
        }))
}

/// Takes a form, or a recording as the body; options in the query and in the form. Unknown options are refused.
struct Native<'a> {
    state: &'a ApiState,
    query: QueryPairs,
    idempotency_key: Option<String>,
}

impl Endpoint for Native<'_> {
    type Wanted = ();

    fn expected(&self) -> Expected {
        Expected {
            fields: &["file"],
            takes_raw: true,
            takes_url: true,
            advice: "send multipart/form-data with a field file (curl -F file=@recording.wav) or url, the recording as the \
                     body with Content-Type audio/*, video/* or application/octet-stream, or JSON with url",
            is_bare: false,
            kept_bytes: u64::MAX,
        }
    }

    fn earlier(&self) -> EarlierJob {
        let key = self.idempotency_key.clone();
        key.map_or(EarlierJob::None, EarlierJob::OfKey)
    }

    async fn check(&self, fields: &Form) -> Result<(), ApiError> {
        let options = read_options(&self.query, fields);
        let options = options
            .so_far()
            .map_err(|problems| ApiError::invalid_options(problems.to_vec()))?;
        self.state.resolve_model(options.model.clone()).await?;
        self.state.check_diarization(options).await?;
        Ok(())
    }

    fn address(&self, form: &Form) -> Option<WebAddress> {
        let (_, value) = form.fields.iter().find(|(name, _)| name == URL)?;
        read_address(value).ok()
    }

    async fn read(&self, form: &Form) -> Result<(TranscribeRequest, ()), ApiError> {
        let mut options = read_options(&self.query, form);
        check_recording(form, &mut options);
        let mut options = options.finish().map_err(ApiError::invalid_options)?;
        self.state.check_diarization(&options).await?;
        options.model = self.state.resolve_model(options.model).await?;
        Ok((options, ()))
    }
}

/// Refuses a form that has neither one recording nor the address of one.
fn check_recording(form: &Form, options: &mut OptionFields) {
    if form.files > 1 {
        options.refuse(
            "file",
            "given more than once; submit one recording at a time",
        );
    }

    let mut addresses = form.fields.iter().filter(|(name, _)| name == URL);
    match (addresses.next(), addresses.next()) {
        (None, _) if form.received == 0 => options.refuse(
            "file",
            "there is no recording: it is missing or has no bytes; send one in file, or its address in url",
        ),
        (None, _) => {}
        (Some(_), Some(_)) => options.refuse(URL, "given more than once"),
        (Some(_), None) if form.files > 0 => {
            options.refuse(URL, "send a recording in file or its address in url, not both");
        }
        (Some((_, value)), None) => {
            if let Err(detail) = read_address(value) {
                options.refuse(URL, detail);
            }
        }
    }
}

/// The error repeats nothing: an address may hold a secret.
fn read_address(value: &FieldValue) -> Result<WebAddress, String> {
    let address = value.text()?.trim().parse::<WebAddress>();
    address.map_err(|error| error.to_string())
}

/// The options of the query, then those of a form.
fn read_options(query: &[(String, String)], form: &Form) -> OptionFields {
    let mut options = OptionFields::default();
    for (name, value) in query {
        if name == URL {
            options.refuse(URL, "send it in a form or in JSON: servers log the query, and an address may hold a secret");
        } else {
            options.set(name, value);
        }
    }
    for (name, value) in &form.fields {
        match value.text() {
            _ if name == URL => {}
            // A recording in the wrong field: the hint matters, not its bytes.
            _ if matches!(name.as_str(), "audio_file" | "audio") => options.set(name, ""),
            Ok(value) => options.set(name, value),
            Err(detail) => options.refuse(name, detail),
        }
    }
    options
}

/// The name a client gave to its submission.
fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, ApiError> {
    let Some(value) = request.headers().get("idempotency-key") else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key)
            if (1..=MAX_KEY_BYTES).contains(&key.len())
                && key.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok(Some(key.to_owned()))
        }
        _ => Err(ApiError::invalid_option(
            "Idempotency-Key",
            format!("not 1 to {MAX_KEY_BYTES} visible ASCII characters without spaces"),
        )),
    }
}

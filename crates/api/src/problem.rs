//! Errors as they leave: one enum-free type that carries a [`ProblemCode`] and what to say about it.
//!
//! Handlers return it; the middleware adds the path and the request id. `ProblemCode` has the HTTP status of each code; the
//! ones that OpenAI's clients expect instead are here.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use steno_models::openai::{ErrorBody, ErrorDetail};
use steno_models::{FailureCode, FieldProblem, JobError, Problem, ProblemCode, Tombstone};
use steno_store::{QuotaExceeded, StoreError};

/// Seconds after which a client may try again when the queue or the disk is full.
pub(crate) const RETRY_FULL_S: u32 = 30;

/// A problem without the call it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    code: ProblemCode,
    detail: Cow<'static, str>,
    errors: Vec<FieldProblem>,
    tombstone: Option<Box<Tombstone>>,
    retry_after_s: Option<u32>,
    allow: Option<&'static str>,
    failure: Option<FailureCode>,
    /// Whether the address is that of a model. Elsewhere OpenAI answers 400: some clients read 404 as "no such service".
    is_model_lookup: bool,
}

impl ApiError {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            tombstone: None,
            retry_after_s: None,
            allow: None,
            failure: None,
            is_model_lookup: false,
        }
    }

    /// Options that are not valid, each with its pointer.
    pub(crate) fn invalid_options(errors: Vec<FieldProblem>) -> Self {
        let names: Vec<_> = errors
            .iter()
            .map(|error| error.pointer.trim_start_matches('/'))
            .collect();
        let detail = format!(
            "not valid: {}; each is explained in errors",
            names.join(", ")
        );
        Self {
            errors,
            ..Self::new(ProblemCode::InvalidOptions, detail)
        }
    }

    /// One option that is not valid.
    pub(crate) fn invalid_option(name: &str, detail: impl Into<String>) -> Self {
        Self::invalid_options(vec![FieldProblem {
            pointer: format!("/{name}"),
            detail: detail.into(),
        }])
    }

    pub(crate) fn no_such_job() -> Self {
        Self::new(
            ProblemCode::NotFound,
            "no job has this id; it never had, or it was deleted long ago",
        )
    }

    /// The address names a model that is not there.
    pub(crate) fn no_such_model() -> Self {
        let detail = "there are no such weights; GET /v1/models lists what there is";
        Self {
            is_model_lookup: true,
            ..Self::new(ProblemCode::ModelUnavailable, detail)
        }
    }

    pub(crate) fn gone(tombstone: Tombstone) -> Self {
        use steno_models::TombstoneReason::{Deleted, Expired, Retrieved};
        let detail = match tombstone.reason {
            Retrieved => {
                "the result was retrieved and its grace period is over; submit the recording again"
            }
            Expired => "the job passed its deadline; submit the recording again",
            Deleted => "a client deleted the job; submit the recording again",
        };
        Self {
            tombstone: Some(Box::new(tombstone)),
            ..Self::new(ProblemCode::Gone, detail)
        }
    }

    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("this address takes {allow}");
        Self {
            allow: Some(allow),
            ..Self::new(ProblemCode::MethodNotAllowed, detail)
        }
    }

    /// The API key has as much in the queue as it may.
    pub(crate) fn quota_exceeded(exceeded: QuotaExceeded) -> Self {
        let detail = match exceeded {
            QuotaExceeded::Jobs(limit) => {
                format!(
                    "this API key may have {limit} unfinished jobs (STENO_KEY_MAX_JOBS); wait until some have ended"
                )
            }
            QuotaExceeded::StoredJobs(limit) => format!(
                "this API key may have {limit} jobs, ended ones included (100 times STENO_KEY_MAX_JOBS); \
                 fetch or delete some"
            ),
            QuotaExceeded::StoredBytes(limit) => format!(
                "uploads, recordings and decoded recordings of this API key's unfinished jobs may have {limit} bytes together \
                 (STENO_KEY_MAX_BYTES); \
                 wait until some have ended"
            ),
        };
        Self::new(ProblemCode::QuotaExceeded, detail).retry_after(RETRY_FULL_S)
    }

    /// The failure of a job that the call waited for.
    pub(crate) fn of_job(error: JobError) -> Self {
        let code = match error.code {
            FailureCode::EngineError | FailureCode::WorkerCrashed | FailureCode::Expired => {
                ProblemCode::Internal
            }
            FailureCode::ModelUnavailable => ProblemCode::ModelUnavailable,
            _ => ProblemCode::InvalidOptions,
        };
        Self {
            failure: Some(error.code),
            ..Self::new(code, error.message)
        }
    }

    /// The server is shutting down.
    pub(crate) fn stopping() -> Self {
        Self::new(
            ProblemCode::NotReady,
            "the server is restarting; try again in a moment",
        )
        .retry_after(5)
    }

    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        Self {
            retry_after_s: Some(seconds),
            ..self
        }
    }

    /// The answer, once it is known which call it is for.
    pub(crate) fn into_response(self, instance: &str, request_id: &str) -> HttpResponse {
        let mut response = self.head(self.status_code());
        response.insert_header((
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        ));
        let problem = Problem {
            kind: format!("urn:steno:problem:{}", word(self.code)),
            title: self.code.title().into(),
            status: self.code.status(),
            detail: self.detail.into_owned(),
            instance: instance.to_owned(),
            code: self.code,
            request_id: request_id.to_owned(),
            errors: self.errors,
            tombstone: self.tombstone.map(|tombstone| *tombstone),
        };
        response.body(serde_json::to_string(&problem).unwrap_or_default())
    }

    /// The same as OpenAI's clients read it.
    pub(crate) fn into_openai_response(self) -> HttpResponse {
        let (status, body) = self.to_openai();
        self.head(status).json(body)
    }

    /// Status and body as OpenAI's clients read them.
    pub(crate) fn to_openai(&self) -> (StatusCode, ErrorBody) {
        let status = match self.code {
            ProblemCode::ModelUnavailable if self.is_model_lookup => StatusCode::NOT_FOUND,
            // OpenAI has no 422.
            ProblemCode::InvalidOptions
            | ProblemCode::IdempotencyKeyInUse
            | ProblemCode::DiarizationUnavailable
            | ProblemCode::ModelUnavailable => StatusCode::BAD_REQUEST,
            _ => self.status_code(),
        };

        let code = match (self.failure, self.code) {
            (Some(failure), _) => failure.as_str().to_owned(),
            (None, ProblemCode::ModelUnavailable) => "model_not_found".to_owned(),
            (None, ProblemCode::Unauthorized) => "invalid_api_key".to_owned(),
            (None, ProblemCode::RateLimited) => "rate_limit_exceeded".to_owned(),
            (None, code) => word(code),
        };

        let kind = if status.is_server_error() {
            "server_error"
        } else {
            "invalid_request_error"
        };

        let field = self
            .errors
            .first()
            .map(|error| error.pointer.trim_start_matches('/').to_owned());
        let explained = self
            .errors
            .iter()
            .map(|e| format!("{}: {}", e.pointer.trim_start_matches('/'), e.detail));
        let message = if self.errors.is_empty() {
            self.detail.to_string()
        } else {
            explained.collect::<Vec<_>>().join("; ")
        };

        let is_of_recording = self.failure.is_some() && status.is_client_error();
        let param = match (self.code, self.failure) {
            (ProblemCode::ModelUnavailable, None) => Some("model".to_owned()),
            _ => field.or_else(|| is_of_recording.then(|| "file".to_owned())),
        };
        let error = ErrorDetail {
            message,
            kind: kind.to_owned(),
            param,
            code: Some(code),
        };

        (status, ErrorBody { error })
    }

    fn head(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut response = HttpResponseBuilder::new(status);
        if self.code == ProblemCode::Unauthorized {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(allow) = self.allow {
            response.insert_header((header::ALLOW, allow));
        }
        response
    }
}

/// A code as it is written.
fn word(code: ProblemCode) -> String {
    let word = serde_json::to_value(code).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

impl From<StoreError> for ApiError {
    /// What a client may know of the error. Its details are in the log alone.
    fn from(error: StoreError) -> Self {
        if error.is_disk_full() {
            let detail = "the server's disk is full; try again later";
            return Self::new(ProblemCode::DiskReserve, detail).retry_after(60);
        }
        match error {
            StoreError::Database(_) => {
                let detail = "the database does not answer; try again in a moment";
                Self::new(ProblemCode::NotReady, detail).retry_after(5)
            }
            StoreError::Storage { .. } | StoreError::TooLate => {
                let detail = "the storage of recordings does not answer; send the recording again in a moment";
                Self::new(ProblemCode::NotReady, detail).retry_after(5)
            }
            StoreError::File { .. } => {
                let detail =
                    "the server cannot use its files, and its log has the reason; try again later";
                Self::new(ProblemCode::NotReady, detail).retry_after(RETRY_FULL_S)
            }
            _ => Self::new(
                ProblemCode::Internal,
                "the server failed; its log has details under the request id",
            ),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        // The middleware finds the error in the extensions and writes the body.
        let mut response = HttpResponse::new(self.status_code());
        response.extensions_mut().insert(self.clone());
        response
    }
}

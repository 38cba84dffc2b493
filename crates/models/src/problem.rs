//! Errors on the wire: RFC 9457 problems with stable codes. The api decides which one; everyone else reads them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::Tombstone;

/// What went wrong with a call. The words are stable; each has one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The request cannot be read: broken multipart, a body cut short, a bad job id.
    Malformed,
    /// No API key, or one that is not known.
    Unauthorized,
    /// A foreign web page sent the request.
    Forbidden,
    /// No such job, or no such address.
    NotFound,
    /// The address exists, but not with this method.
    MethodNotAllowed,
    /// The job has no webhooks to send again.
    NoWebhooks,
    /// The job was there and has been deleted.
    Gone,
    /// The client stopped sending.
    RequestTimeout,
    /// The upload exceeds the limit of the server.
    UploadTooLarge,
    /// The type of the body is not accepted.
    UnsupportedMediaType,
    /// Invalid options; `errors` names each.
    InvalidOptions,
    /// The requested weights are not installed.
    ModelUnavailable,
    /// The server cannot label speakers: its workers lack the networks.
    DiarizationUnavailable,
    /// The idempotency key belongs to another submission.
    IdempotencyKeyInUse,
    /// The API key exceeded its request rate.
    RateLimited,
    /// The API key reached its quota.
    QuotaExceeded,
    /// The queue is full.
    QueueFull,
    /// The server has too many connections.
    TooManyConnections,
    /// The server is starting or its database is not writable.
    NotReady,
    /// Not enough free space on the server's disk.
    DiskReserve,
    /// A bug in the server; its log has the request id.
    Internal,
}

impl ProblemCode {
    /// The HTTP status that goes with the code.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::NoWebhooks => 409,
            Self::Gone => 410,
            Self::UploadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::InvalidOptions
            | Self::ModelUnavailable
            | Self::DiarizationUnavailable
            | Self::IdempotencyKeyInUse => 422,
            Self::Internal => 500,
            Self::RateLimited | Self::QuotaExceeded => 429,
            Self::QueueFull | Self::TooManyConnections | Self::NotReady => 503,
            Self::DiskReserve => 507,
        }
    }

    /// A short title for a person, the same for every occurrence.
    pub fn title(self) -> &'static str {
        match self {
            Self::Malformed => "The request cannot be read",
            Self::Unauthorized => "An API key is needed",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::RequestTimeout => "The upload stalled",
            Self::NoWebhooks => "The job has no webhooks",
            Self::Gone => "The job has been deleted",
            Self::UploadTooLarge => "The upload is too large",
            Self::UnsupportedMediaType => "The body's type is not accepted",
            Self::InvalidOptions => "Some options are not valid",
            Self::ModelUnavailable => "The model is not served here",
            Self::DiarizationUnavailable => "Speakers cannot be labelled here",
            Self::IdempotencyKeyInUse => "The idempotency key is in use",
            Self::RateLimited => "Too many calls",
            Self::QuotaExceeded => "Too much in the queue",
            Self::QueueFull => "The queue is full",
            Self::TooManyConnections => "Too many connections",
            Self::NotReady => "The service is not ready",
            Self::DiskReserve => "Not enough disk space",
            Self::Internal => "Internal error",
        }
    }
}

/// One field of a request that is not valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldProblem {
    /// JSON pointer to the field, as `/temperature`.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// The body of every answer that is an error (`application/problem+json`, RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Names the kind of problem: `urn:steno:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every problem of a kind.
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do.
    pub detail: String,
    /// The path that was called.
    pub instance: String,
    /// The stable code.
    pub code: ProblemCode,
    /// The id under which the server's log has this call.
    pub request_id: String,
    /// The fields at fault, for `invalid_options`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// What is left of the job, for `gone`.
    #[serde(flatten)]
    #[cfg_attr(feature = "openapi", schema(ignore))]
    pub tombstone: Option<Tombstone>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JobId, Status, Timestamp, TombstoneReason};

    #[test]
    fn a_tombstone_lies_beside_the_members_of_its_problem() {
        let code = ProblemCode::Gone;
        let tombstone = Tombstone {
            job_id: JobId::random(),
            status: Status::Completed,
            reason: TombstoneReason::Retrieved,
            created_at: Timestamp::from_ms(0),
            deleted_at: Timestamp::from_ms(1),
            ttl_deadline: Timestamp::from_ms(2),
        };
        let problem = Problem {
            kind: "urn:steno:problem:gone".into(),
            title: code.title().into(),
            status: code.status(),
            detail: String::new(),
            instance: String::new(),
            code,
            request_id: String::new(),
            errors: Vec::new(),
            tombstone: Some(tombstone),
        };
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["status"], 410);
        assert_eq!(json["reason"], "retrieved");
        assert_eq!(json["job_status"], "completed");
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
    }
}

//! Groups of addresses: what holds for every call below one heading of the documentation.
//!
//! `routes.rs` registers each address with its group. `admission.rs` reads from it who may call, `middleware.rs` which
//! headers, error body and log level an answer has, `openapi.rs` which errors to describe. No code decides by the text of
//! a path. To add an address, choose one of these groups; to add a rule, add a field.

use actix_web::HttpMessage as _;
use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use tracing::Level;

/// What answers may load if a browser shows them: nothing.
const LOADS_NOTHING: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// What the documentation may load: files of this server. Swagger UI styles its elements itself.
const LOADS_OWN_FILES: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
);

/// Answers with content stay in no cache.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What the addresses of a group have in common.
#[derive(Debug)]
pub(crate) struct Group {
    /// Who may call.
    pub(crate) access: Access,
    /// How errors are written.
    pub(crate) errors: ErrorShape,
    /// The value of `Content-Security-Policy`.
    pub(crate) content_policy: HeaderValue,
    /// The value of `Cache-Control`.
    pub(crate) caching: HeaderValue,
    /// The level of the line that is logged for each call.
    pub(crate) log: Level,
}

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Holders of an API key, where keys are configured. Rate limits and shares apply.
    Key,
    /// Everyone.
    Open,
    /// Everyone, also through a proxy, and when the server has as many connections as it serves.
    Probe,
}

/// How errors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorShape {
    /// As RFC 9457 problems.
    Problem,
    /// As OpenAI's clients read them.
    OpenAi,
}

/// The service's own calls.
pub(crate) static NATIVE: Group = Group {
    access: Access::Key,
    errors: ErrorShape::Problem,
    content_policy: LOADS_NOTHING,
    caching: NO_STORE,
    log: Level::INFO,
};

/// The calls of OpenAI's API.
pub(crate) static V1: Group = Group {
    access: Access::Key,
    errors: ErrorShape::OpenAi,
    content_policy: LOADS_NOTHING,
    caching: NO_STORE,
    log: Level::INFO,
};

/// Health checks.
pub(crate) static PROBE: Group = Group {
    access: Access::Probe,
    errors: ErrorShape::Problem,
    content_policy: LOADS_NOTHING,
    caching: NO_STORE,
    log: Level::DEBUG,
};

/// The description of the api.
pub(crate) static DESCRIPTION: Group = Group {
    access: Access::Open,
    errors: ErrorShape::Problem,
    content_policy: LOADS_NOTHING,
    caching: NO_STORE,
    log: Level::INFO,
};

/// The pages that show the description.
pub(crate) static PAGES: Group = Group {
    access: Access::Open,
    errors: ErrorShape::Problem,
    content_policy: LOADS_OWN_FILES,
    caching: NO_STORE,
    log: Level::INFO,
};

impl Group {
    /// The group of the address that a call was routed to.
    pub(crate) fn of(request: &HttpRequest) -> &'static Self {
        let group = request.extensions().get::<&'static Self>().copied();
        group.unwrap_or(&NATIVE)
    }
}

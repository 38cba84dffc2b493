//! Groups of addresses: what holds for every call below one heading of the documentation.
//!
//! `routes.rs` registers each address with its group. `admission.rs` reads from it who may call, `middleware.rs` which
//! headers, error body and log level an answer has, `openapi.rs` which errors to describe. No code decides by the text of
//! a path. To add an address, choose one of these groups; to add a rule, add a field.

use actix_web::HttpMessage as _;
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use tracing::Level;

/// What answers may load if a browser shows them: nothing.
const LOADS_NOTHING: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// What the documentation may load: files of this server. Swagger UI styles its elements itself.
const LOADS_OWN_FILES: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
);

/// What the page at `/` may load: its own script, style and calls, and the recording that a person chose (`blob:`).
const LOADS_OWN_PAGE: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; media-src blob:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Asked for on each visit, and answered with 304 if the browser has it.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// The name changes with the content.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
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
    /// The value of `Cache-Control` of answers that are no errors.
    caching: HeaderValue,
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

/// The page for people.
pub(crate) static PAGE: Group = Group {
    access: Access::Open,
    errors: ErrorShape::Problem,
    content_policy: LOADS_OWN_PAGE,
    caching: NO_CACHE,
    log: Level::INFO,
};

/// The files of the page for people.
pub(crate) static PAGE_FILES: Group = Group {
    access: Access::Open,
    errors: ErrorShape::Problem,
    content_policy: LOADS_NOTHING,
    caching: FOR_GOOD,
    log: Level::DEBUG,
};

impl Group {
    /// The value of `Cache-Control` of an answer with this status. Errors stay in no cache.
    pub(crate) fn caching(&self, status: StatusCode) -> HeaderValue {
        if status.is_client_error() || status.is_server_error() {
            return NO_STORE;
        }
        self.caching.clone()
    }

    /// The group of the address that a call was routed to.
    pub(crate) fn of(request: &HttpRequest) -> &'static Self {
        let group = request.extensions().get::<&'static Self>().copied();
        group.unwrap_or(&NATIVE)
    }
}

//! Pages of other origins that the operator has invited.

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName};

use crate::guard;

/// Seconds for which a browser need not ask again.
const MAX_AGE_S: usize = 3600;

/// Headers that pages may read from answers.
const ANSWER_HEADERS: [HeaderName; 6] = [
    header::CONTENT_DISPOSITION,
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    HeaderName::from_static("x-job-id"),
    HeaderName::from_static("x-request-id"),
];

/// Answers browsers that ask whether a page may call: those of `origins`, those of apps, and with API keys all, as no page
/// has a key that was not given to it. No cookies are involved. Pages may send any header.
pub(crate) fn allow(origins: Vec<String>, has_keys: bool) -> Cors {
    Cors::default()
        .allowed_origin_fn(move |origin, _| {
            has_keys
                || origin
                    .to_str()
                    .is_ok_and(|origin| guard::is_invited(origin, &origins))
        })
        .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
        .allow_any_header()
        .expose_headers(ANSWER_HEADERS)
        .max_age(MAX_AGE_S)
}

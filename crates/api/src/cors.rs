//! Pages of other origins that the operator has invited.

use actix_cors::{Cors, CorsError};
use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName};
use actix_web::middleware::Next;
use steno_models::ProblemCode;
use uuid::Uuid;

use crate::group::NATIVE;
use crate::problem::ApiError;
use crate::{guard, middleware};

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

/// Writes the refusal of a preflight as a problem: actix-cors would answer 400 with a text that names no setting.
pub(crate) async fn explain_refusals(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let instance = request.path().to_owned();
    let response = next.call(request).await?.map_into_boxed_body();
    let error = response.response().error();
    let Some(error) = error.and_then(|error| error.as_error::<CorsError>()) else {
        return Ok(response);
    };

    let problem = match error {
        CorsError::OriginNotAllowed => ApiError::new(ProblemCode::Forbidden, guard::NOT_INVITED),
        CorsError::MethodNotAllowed => ApiError::new(
            ProblemCode::Malformed,
            "pages may call with GET, HEAD, POST and DELETE",
        ),
        _ => ApiError::new(
            ProblemCode::Malformed,
            "a preflight needs Origin and Access-Control-Request-Method",
        ),
    };
    let id = Uuid::new_v4().to_string();
    let body = problem.into_response(&instance, &id);
    let mut response = response.into_response(body);
    middleware::set_headers(&mut response, &NATIVE, &id);
    Ok(response)
}

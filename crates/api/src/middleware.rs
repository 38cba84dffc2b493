//! What happens around every call: its log line, its request id, the headers all answers share, and the body of errors.

use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode, Version};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, web};
use steno_models::ProblemCode;
use tracing::{Instrument, Level};
use uuid::Uuid;

use crate::address;
use crate::auth::Owner;
use crate::forwarded::Forwarded;
use crate::group::{ErrorShape, Group};
use crate::problem::ApiError;
use crate::state::ApiState;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id of a proxy that is kept.
const MAX_ID_BYTES: usize = 128;

/// Marks a call to an address where nothing is.
pub(crate) struct UnknownAddress;

/// The `x-request-id` of a call.
#[derive(Clone)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// Of a call that came through the middleware; else nothing.
    pub(crate) fn of(request: &HttpRequest) -> String {
        request
            .extensions()
            .get::<Self>()
            .map_or_else(String::new, |id| id.0.clone())
    }
}

/// Wraps a call. The log names no path and no query: they may carry prompts.
pub(crate) async fn around(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    let began = Instant::now();
    let id = own_id(request.headers()).unwrap_or_else(|| Uuid::new_v4().to_string());
    let span = tracing::info_span!("call", request.id = %id);
    let method = request.method().clone();
    address::normalise(&mut request);
    let instance = request.path().to_owned();
    request.extensions_mut().insert(RequestId(id.clone()));

    let mut response = next.call(request).instrument(span.clone()).await?;

    let group = Group::of(response.request());
    if let Some(problem) = problem_of(&mut response) {
        let body = match group.errors {
            ErrorShape::OpenAi => problem.into_openai_response(),
            ErrorShape::Problem => problem.into_response(&instance, &id),
        };
        response = response.into_response(body);
    }
    set_headers(&mut response, group, &id);
    let call = Finished {
        method: &method,
        route: &route_of(response.request()),
        // Read after the error was written: /v1 answers 400 where native calls answer 422.
        status: response.status(),
        elapsed: began.elapsed(),
    };
    span.in_scope(|| call.note(response.request(), group));
    Ok(response)
}

/// Sets the headers that all answers have.
pub(crate) fn set_headers(response: &mut ServiceResponse, group: &Group, id: &str) {
    let status = response.status();
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(X_REQUEST_ID, id);
    }
    headers.insert(header::CACHE_CONTROL, group.caching(status));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        group.content_policy.clone(),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );

    if response.request().version() <= Version::HTTP_10 {
        // HTTP/1.0 has no chunks: a body of unknown length ends with the connection.
        let head = response.response_mut().head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
}

/// The pattern of the address, for logs and metrics.
fn route_of(request: &HttpRequest) -> String {
    if request.extensions().contains::<UnknownAddress>() {
        return "unknown address".to_owned();
    }
    request
        .match_pattern()
        .unwrap_or_else(|| "unknown address".to_owned())
}

/// A call that was answered.
struct Finished<'a> {
    method: &'a Method,
    route: &'a str,
    status: StatusCode,
    elapsed: Duration,
}

impl Finished<'_> {
    /// Counts the call and logs its line.
    fn note(&self, request: &HttpRequest, group: &Group) {
        let owner = Owner::of(request);
        let status = self.status.as_u16();
        let mut level = group.log;
        let mut client = None;

        if let Some(state) = request.app_data::<web::Data<ApiState>>() {
            let metrics = &state.metrics;
            metrics.note_call(self.method.as_str(), self.route, status, self.elapsed);
            if is_denial(self.status) {
                client = Forwarded::of(request, &state.config.trusted_proxies).client();
            }
            if is_refusal(self.status) && !state.refusals.note(Instant::now(), owner.name(), status)
            {
                level = Level::DEBUG;
            }
        }

        let elapsed_ms = self.elapsed.as_millis() as u64;
        let client = client.map(tracing::field::display);
        let key = Some(owner.name()).filter(|_| owner.has_key());
        let (method, route) = (self.method, self.route);
        if level == Level::DEBUG {
            tracing::debug!(
                key.name = key,
                client.address = client,
                http.status = status,
                elapsed_ms,
                "{method} {route} answered {status}"
            );
        } else {
            tracing::info!(
                key.name = key,
                client.address = client,
                http.status = status,
                elapsed_ms,
                "{method} {route} answered {status}"
            );
        }
    }
}

/// Whether the client was denied access or calls too often. Only the addresses of such clients are
/// logged, so that a firewall can block them.
fn is_denial(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    )
}

/// Whether the call was refused. Any client can cause such answers without end, so their log lines are bounded.
fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error()
        || matches!(
            status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE
        )
}

/// The id that a proxy or a client has given to the call, if it can stand in a log line.
fn own_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    let is_plain = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:=+/".contains(&byte));
    (is_plain && (8..=MAX_ID_BYTES).contains(&id.len())).then(|| id.to_owned())
}

/// The error of an answer: ours, or one made of the status that actix answered by itself.
fn problem_of(response: &mut ServiceResponse) -> Option<ApiError> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let own = response
        .response_mut()
        .extensions_mut()
        .remove::<ApiError>();
    Some(own.unwrap_or_else(|| foreign_problem(status)))
}

fn foreign_problem(status: StatusCode) -> ApiError {
    match status {
        StatusCode::NOT_FOUND => {
            ApiError::new(ProblemCode::NotFound, "there is nothing at this address")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(ProblemCode::UploadTooLarge, "the request is too large")
        }
        StatusCode::REQUEST_TIMEOUT => {
            ApiError::new(ProblemCode::RequestTimeout, "the request came too slowly")
        }
        _ if status.is_client_error() => {
            ApiError::new(ProblemCode::Malformed, "the request cannot be read")
        }
        _ => ApiError::new(
            ProblemCode::Internal,
            "the server failed; its log has details under the request id",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_s_request_id_is_kept_if_it_is_plain() {
        let kept = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(
                X_REQUEST_ID,
                HeaderValue::from_bytes(id.as_bytes()).unwrap(),
            );
            own_id(&headers).is_some()
        };
        assert!(kept("0f8fad5b-d9cb-469f-a165-70867728950e"));
        assert!(kept("Root=1-67891233-abcdef012345678912345678"));
        for id in [
            "",
            "short",
            "two words",
            "job.id=1 level=ERROR",
            "\"quoted\"12",
            "é".repeat(8).as_str(),
            &"x".repeat(129),
        ] {
            assert!(!kept(id), "{id}");
        }
    }
}

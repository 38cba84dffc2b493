//! What happens around every call: its log line, its request id, the headers all answers share, and the body of errors.

use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode, Version};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, ResponseError as _, web};
use steno_models::ProblemCode;
use tracing::Instrument;
use uuid::Uuid;

use crate::address;
use crate::auth::Owner;
use crate::connection::Call;
use crate::guard;
use crate::key_calls::KeyCall;
use crate::problem::ApiError;
use crate::state::ApiState;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id of a proxy that is kept.
const MAX_ID_BYTES: usize = 128;

/// Seconds after which a client may come again when there were too many.
const RETRY_CONNECTION_S: u32 = 5;

/// What answers may load if a browser shows them: nothing.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// What the pages that describe the api may load: what this server has. Swagger UI styles its elements itself.
const DOCS_POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";

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

/// Wraps a call. Nothing a client sent is logged but the method: paths and queries may carry prompts.
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
    let mut call = Call::begin(&request);
    let mut response = match admit(&request) {
        Ok(of_key) => {
            call.count_for_key(of_key);
            next.call(request).instrument(span.clone()).await?
        }
        Err(error) => {
            let mut response = error.error_response();
            // Nothing more of a body that is not wanted is read.
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
            request.into_response(response)
        }
    };
    let route = response
        .request()
        .match_pattern()
        .unwrap_or_else(|| "unknown address".to_owned());
    if let Some(problem) = problem_of(&mut response) {
        let is_openai = instance == "/v1" || instance.starts_with("/v1/");
        let body = if is_openai {
            problem.into_openai_response()
        } else {
            problem.into_response(&instance, &id)
        };
        response = response.into_response(body);
    }
    // That of the answer: OpenAI's clients are told other ones than ours.
    let status = response.status();
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(X_REQUEST_ID, id);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    let policy = if route.starts_with("/docs") {
        DOCS_POLICY
    } else {
        POLICY
    };
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(policy),
    );
    if response.request().version() <= Version::HTTP_10 {
        // It knows no chunks: a body of unknown length ends with the connection.
        let head = response.response_mut().head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    let elapsed = began.elapsed();
    let elapsed_ms = elapsed.as_millis() as u64;
    let owner = Owner::of(response.request());
    let key = owner.name();
    let mut has_line = true;
    if let Some(state) = response.request().app_data::<web::Data<ApiState>>() {
        state
            .metrics
            .note_call(method.as_str(), &route, status.as_u16(), elapsed);
        if is_refusal(status) {
            has_line = state
                .refusals
                .note(Instant::now(), owner.mark(), status.as_u16());
        }
    }
    span.in_scope(|| {
        let status = status.as_u16();
        if !has_line || matches!(route.as_str(), "/health" | "/healthz" | "/readyz") {
            tracing::debug!(
                key.name = key,
                http.status = status,
                elapsed_ms,
                "{method} {route} answered {status}"
            );
        } else {
            tracing::info!(
                key.name = key,
                http.status = status,
                elapsed_ms,
                "{method} {route} answered {status}"
            );
        }
    });
    Ok(response.map_body(|_, body| call.with_body(body)))
}

/// Keeps strangers out, and notes whose call it is. What is about the server itself, everybody may ask.
fn admit(request: &ServiceRequest) -> Result<Option<KeyCall>, ApiError> {
    let state = request
        .app_data::<web::Data<ApiState>>()
        .ok_or_else(ApiError::stopping)?;
    if request.headers().get_all(header::UPGRADE).any(|protocol| {
        protocol
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"websocket")
    }) {
        // actix takes whatever follows for that protocol, whatever the body's length is said to be. Other offers (`h2c`, which some
        // clients always make) it leaves alone.
        return Err(ApiError::new(
            ProblemCode::Malformed,
            "this server speaks no WebSocket: send no Upgrade header",
        ));
    }
    guard::check(request, &state.config)?;
    let path = request.path();
    // Whoever watches over the server is answered also when it is full.
    if state.connections.count() > state.config.max_connections
        && !matches!(path, "/health" | "/healthz" | "/readyz")
    {
        let detail = "the server has as many connections as it serves (STENO_MAX_CONNECTIONS); try again in a moment";
        return Err(
            ApiError::new(ProblemCode::TooManyConnections, detail).retry_after(RETRY_CONNECTION_S)
        );
    }
    if matches!(
        path,
        "/health" | "/healthz" | "/readyz" | "/openapi.json" | "/docs"
    ) || path.starts_with("/docs/")
    {
        return Ok(None);
    }
    let owner = state.keys.authenticate(request.headers())?;
    let key = owner.name().map(ToOwned::to_owned);
    // First of all: a call that is refused is logged with its key, too.
    request.extensions_mut().insert(owner.clone());
    state.keys.check_rate(&owner)?;
    let Some(key) = key else { return Ok(None) };
    let of_key = state.key_calls.begin(&key, state.config.max_connections);
    of_key.map(Some).ok_or_else(|| {
        let detail = "this API key has as many calls in progress as one key may have (a quarter of \
                      STENO_MAX_CONNECTIONS); end some of its streams and long polls";
        ApiError::new(ProblemCode::RateLimited, detail).retry_after(RETRY_CONNECTION_S)
    })
}

/// Whether a status says that nothing was done, as any client may make the server say without end.
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

/// The error of an answer: ours, or made of the status of one that actix gave by itself.
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
            "the server failed; its log tells more under the request id",
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

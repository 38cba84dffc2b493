//! Decides whether a call is served, before its handler runs and before its body is read.
//!
//! `routes.rs` wraps every address in [`admit`] with its group.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{ConnectionType, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, ResponseError as _, web};
use steno_models::ProblemCode;

use crate::connection::Call;
use crate::group::{Access, Group};
use crate::guard;
use crate::key_calls::KeyCall;
use crate::problem::ApiError;
use crate::state::ApiState;

/// Seconds after which a client may come again when there were too many.
const RETRY_CONNECTION_S: u32 = 5;

/// Passes a call on to its handler, or refuses it.
pub(crate) async fn admit(
    group: &'static Group,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    request.extensions_mut().insert(group);
    let mut call = Call::begin(&request);

    let response = match check(group, &request) {
        Ok(of_key) => {
            call.count_for_key(of_key);
            next.call(request).await?
        }
        Err(error) => {
            let mut response = error.error_response();
            // The remainder of an unwanted body is not read.
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
            request.into_response(response)
        }
    };
    Ok(response.map_body(|_, body| call.with_body(body)))
}

/// Authenticates a call and records its owner. Returns its place among the calls of its API key.
fn check(group: &Group, request: &ServiceRequest) -> Result<Option<KeyCall>, ApiError> {
    let state = request
        .app_data::<web::Data<ApiState>>()
        .ok_or_else(ApiError::stopping)?;
    refuse_websocket(request)?;
    guard::check(request, group.access, &state.config)?;
    if group.access != Access::Probe {
        check_room(state)?;
    }
    if group.access != Access::Key {
        return Ok(None);
    }

    let owner = state.keys.authenticate(request.headers())?;
    // Recorded first, so that the log line of a refused call names its key.
    request.extensions_mut().insert(owner.clone());
    state.keys.check_rate(&owner)?;
    if !owner.has_key() {
        return Ok(None);
    }
    let of_key = state
        .key_calls
        .begin(owner.name(), state.config.max_connections);
    of_key.map(Some).ok_or_else(|| {
        let detail = "this API key has as many calls in progress as one key may have (a quarter of \
                      STENO_MAX_CONNECTIONS); end some of its streams and long polls";
        ApiError::new(ProblemCode::RateLimited, detail).retry_after(RETRY_CONNECTION_S)
    })
}

/// After an `Upgrade: websocket` actix reads everything that follows as that protocol, whatever the declared length of the
/// body. It ignores other offers, such as the `h2c` that some clients always make.
fn refuse_websocket(request: &ServiceRequest) -> Result<(), ApiError> {
    let is_websocket = |protocol: &header::HeaderValue| {
        protocol
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"websocket")
    };
    if request.headers().get_all(header::UPGRADE).any(is_websocket) {
        let detail = "this server speaks no WebSocket: send no Upgrade header";
        return Err(ApiError::new(ProblemCode::Malformed, detail));
    }
    Ok(())
}

fn check_room(state: &ApiState) -> Result<(), ApiError> {
    if state.connections.count() <= state.config.max_connections {
        return Ok(());
    }
    let detail = "the server has as many connections as it serves (STENO_MAX_CONNECTIONS); try again in a moment";
    Err(ApiError::new(ProblemCode::TooManyConnections, detail).retry_after(RETRY_CONNECTION_S))
}

//! The answer to a call that actix drops.
//!
//! actix-http treats an error in a chunked body as a lost connection: it drops the handler, unless
//! the handler answers at once, and closes the connection. The client would get no answer. Used by
//! [`Call`](super::Call) alone.

use std::thread;

use actix_web::body::MessageBody as _;
use actix_web::dev::ServiceRequest;
use actix_web::http::header;
use actix_web::web;
use steno_models::ProblemCode;

use super::Connection;
use crate::group::{ErrorShape, Group};
use crate::middleware::RequestId;
use crate::problem::ApiError;
use crate::state::ApiState;

/// A call without an answer.
pub(super) struct Unanswered {
    group: &'static Group,
    instance: String,
    request_id: String,
    state: Option<web::Data<ApiState>>,
}

impl Unanswered {
    pub(super) fn of(request: &ServiceRequest) -> Self {
        Self {
            group: Group::of(request.request()),
            instance: request.path().to_owned(),
            request_id: RequestId::of(request.request()),
            state: request.app_data::<web::Data<ApiState>>().cloned(),
        }
    }

    /// Sends 400 to a client that has sent a broken body and may still read. Calls are also dropped when the server stops
    /// and when a handler panics: no answer is sent then.
    pub(super) fn answer(self, connection: &Connection) {
        let is_stopping = self.state.is_none_or(|state| *state.stopping.borrow());
        if is_stopping || thread::panicking() {
            return;
        }
        tracing::debug!(request.id = %self.request_id, "a body was broken, so the call was dropped");

        let problem = broken_body(connection);
        let response = match self.group.errors {
            ErrorShape::OpenAi => problem.into_openai_response(),
            ErrorShape::Problem => problem.into_response(&self.instance, &self.request_id),
        };
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or("application/json");
        let head = format!(
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncache-control: no-store\r\ncontent-type: {content_type}\r\n\
             x-request-id: {}\r\n",
            self.request_id
        );
        if let Ok(body) = response.into_body().try_into_bytes() {
            let head = format!("{head}content-length: {}\r\n\r\n", body.len());
            connection.send(&[head.as_bytes(), &body].concat());
        }
    }
}

/// The error of a body that cannot be read to its end. The connection stays readable until its client has read the answer.
pub(crate) fn broken_body(connection: &Connection) -> ApiError {
    connection.linger();
    let detail = if connection.is_open() {
        "a chunk of the body is malformed: with Transfer-Encoding: chunked each chunk is its size in hexadecimal, a line break, \
         its bytes and a line break; correct the client, or send the recording with Content-Length"
    } else {
        "the body ended before it was complete; send the recording again"
    };
    ApiError::new(ProblemCode::Malformed, detail)
}

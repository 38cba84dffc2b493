//! Server-sent events: the text of a stream. Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;

/// A comment, which clients ignore.
pub(crate) const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// The last event of a stream of OpenAI's.
pub(crate) const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// An event with a name, and with the id that a client which comes back names.
pub(crate) fn event(name: &str, id: Option<&str>, data: &impl Serialize) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("event: {name}\n{id}data: {}\n\n", json(data)))
}

/// The same for data that is JSON already.
pub(crate) fn event_of_json(name: &str, id: Option<&str>, json: &[u8]) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    let mut event = format!("event: {name}\n{id}data: ").into_bytes();
    event.extend_from_slice(json);
    event.extend_from_slice(b"\n\n");
    Bytes::from(event)
}

/// The head of an answer that is a stream of events.
pub(crate) fn response() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((header::HeaderName::from_static("x-accel-buffering"), "no"));
    response
}

/// JSON has no line breaks outside strings, and in them they are escaped.
fn json(data: &impl Serialize) -> String {
    serde_json::to_string(data).unwrap_or_default()
}

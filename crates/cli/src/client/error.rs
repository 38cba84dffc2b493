//! Why a call failed, and whether a later one may succeed.

use std::io;
use std::time::Duration;

use steno_models::Problem;
use ureq::Body;
use ureq::http::{Response, StatusCode, header};

/// A call without the answer that was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// No connection, or one that broke.
    #[error("cannot reach a server at {url}: start one with `steno up`, or name yours with --url or STENO_URL")]
    Unreachable {
        /// The server.
        url: String,
        /// What the HTTP client said.
        #[source]
        source: Box<ureq::Error>,
    },

    /// The connection broke while a recording was being sent.
    #[error(
        "the server at {url} ended the connection during the upload: it restarts, or the recording is larger than it \
         takes (its STENO_MAX_UPLOAD_BYTES)"
    )]
    CutOff {
        /// The server.
        url: String,
        /// Whether the try before ended in the same way. A restart does not; a limit does.
        again: bool,
        /// What the HTTP client said.
        #[source]
        source: Box<ureq::Error>,
    },

    /// The server said no, and why.
    #[error("{}", text_of(.problem))]
    Refused {
        /// Its words.
        problem: Box<Problem>,
        /// When it may say yes.
        retry_after: Option<Duration>,
    },

    /// An error that is not in our form, as a proxy would send it.
    #[error("{url} answered {status}; is it the address of a Steno server, and is the server running?")]
    Foreign {
        /// The server.
        url: String,
        /// The HTTP status.
        status: StatusCode,
        /// When it may answer otherwise.
        retry_after: Option<Duration>,
    },

    /// A success that is not in our form.
    #[error("cannot understand the answer of {url}: is it the address of a Steno server of this version?")]
    NotUnderstood {
        /// The server.
        url: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl CallError {
    /// From an answer that is an error.
    pub(crate) fn refused(url: &str, response: &Response<Body>, body: &[u8]) -> Self {
        let seconds = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = seconds.map(Duration::from_secs);
        match serde_json::from_slice(body) {
            Ok(problem) => Self::Refused { problem: Box::new(problem), retry_after },
            Err(_) => Self::Foreign { url: url.to_owned(), status: response.status(), retry_after },
        }
    }

    /// Whether the same call may succeed later.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => is_broken_connection(source),
            Self::CutOff { source, again, .. } => !again && is_broken_connection(source),
            Self::Refused { problem, retry_after } => retry_after.is_some() || is_busy(problem.status),
            Self::Foreign { status, .. } => is_busy(status.as_u16()),
            Self::NotUnderstood { .. } => false,
        }
    }

    /// How long the server asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } | Self::Foreign { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether there was an answer: then there is a server, and waiting for it makes sense.
    pub(crate) fn is_answer(&self) -> bool {
        !matches!(self, Self::Unreachable { .. })
    }
}

/// Too many requests, a gateway without its server, unavailable, too slow, disk full.
fn is_busy(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504 | 507)
}

fn is_broken_connection(error: &ureq::Error) -> bool {
    use io::ErrorKind as Kind;
    match error {
        ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => true,
        ureq::Error::Io(error) => matches!(
            error.kind(),
            Kind::ConnectionRefused
                | Kind::ConnectionReset
                | Kind::ConnectionAborted
                | Kind::NotConnected
                | Kind::BrokenPipe
                | Kind::UnexpectedEof
                | Kind::TimedOut
                | Kind::WouldBlock
                | Kind::HostUnreachable
                | Kind::NetworkUnreachable
        ),
        _ => false,
    }
}

/// The detail, the code, and a line for each field at fault.
fn text_of(problem: &Problem) -> String {
    let code = serde_json::to_value(problem.code).unwrap_or_default();
    let mut text = format!("{} ({})", problem.detail, code.as_str().unwrap_or_default());
    for field in &problem.errors {
        let name = field.pointer.trim_start_matches('/');
        text = format!("{text}\n  {name}: {}", field.detail);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(body: &str) -> Box<Problem> {
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn a_problem_is_shown_with_its_detail_its_code_and_its_fields() {
        let problem = problem(
            r#"{"type":"urn:steno:problem:invalid_options","title":"t","status":422,"detail":"not valid: language",
                "instance":"/transcribe","code":"invalid_options","request_id":"r",
                "errors":[{"pointer":"/language","detail":"\"xx\" is no language"}]}"#,
        );
        let error = CallError::Refused { problem, retry_after: None };
        assert_eq!(error.to_string(), "not valid: language (invalid_options)\n  language: \"xx\" is no language");
        assert!(!error.is_temporary());
    }

    #[test]
    fn only_what_may_change_is_temporary() {
        let io = |kind| Box::new(ureq::Error::Io(io::Error::from(kind)));
        let unreachable = |source| CallError::Unreachable { url: String::new(), source };
        assert!(unreachable(io(io::ErrorKind::ConnectionRefused)).is_temporary());
        assert!(unreachable(io(io::ErrorKind::UnexpectedEof)).is_temporary());
        assert!(!unreachable(io(io::ErrorKind::PermissionDenied)).is_temporary());
        let cut_off = |again| CallError::CutOff { url: String::new(), again, source: io(io::ErrorKind::BrokenPipe) };
        assert!(cut_off(false).is_temporary() && !cut_off(true).is_temporary());
        assert!(!unreachable(Box::new(ureq::Error::BadUri(String::new()))).is_temporary());
        let foreign = |status| CallError::Foreign { url: String::new(), status, retry_after: None };
        assert!(foreign(StatusCode::BAD_GATEWAY).is_temporary());
        assert!(!foreign(StatusCode::NOT_FOUND).is_temporary());
    }
}

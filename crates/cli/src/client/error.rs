//! Errors of calls to the server, with messages that say what to do.

use std::fmt;

use serde_json::Value;
use steno_models::{Problem, ProblemCode};
use ureq::Body;
use ureq::http::Response;

/// Longest message of another program's answer that is shown.
const LONGEST_MESSAGE: usize = 300;

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum CallError {
    /// No answer came.
    Unreachable(String),
    /// The server refused it.
    Refused(Box<Problem>),
    /// The answer is not a problem document of Steno: it is a proxy's, another server's, or in OpenAI's form.
    Foreign(Box<ForeignAnswer>),
    /// This machine cannot transcribe without a server: programs or weights are missing.
    NoLocal(String),
}

/// An answer that is not in the form of Steno's native routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ForeignAnswer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The program that answered, as its `Server` header names it.
    server: Option<String>,
    /// What its JSON says went wrong.
    message: Option<String>,
    /// Whether it asks for a user name and password.
    wants_password: bool,
}

impl CallError {
    /// Reads the error from an answer with an error status.
    pub(crate) fn refusal(mut response: Response<Body>) -> Self {
        let header = |name| {
            response
                .headers()
                .get(name)?
                .to_str()
                .ok()
                .map(ToOwned::to_owned)
        };
        let server = header("server");
        let challenge = header("www-authenticate").unwrap_or_default();
        let status = response.status().as_u16();
        let body = match response.body_mut().read_to_vec() {
            Ok(body) => body,
            Err(error) => return error.into(),
        };
        if let Ok(problem) = serde_json::from_slice(&body) {
            return Self::Refused(Box::new(problem));
        }

        let wants_password = challenge.to_ascii_lowercase().starts_with("basic");
        Self::Foreign(Box::new(ForeignAnswer {
            status,
            server,
            message: message(&body),
            wants_password,
        }))
    }

    /// A successful answer that cannot be read.
    pub(crate) fn unreadable() -> Self {
        Self::Foreign(Box::new(ForeignAnswer {
            status: 200,
            ..ForeignAnswer::default()
        }))
    }

    /// Whether the server asks for a key, or for another one.
    pub(crate) fn wants_key(&self) -> bool {
        match self {
            Self::Refused(problem) => problem.code == ProblemCode::Unauthorized,
            Self::Foreign(answer) => answer.status == 401 && !answer.wants_password,
            Self::Unreachable(_) | Self::NoLocal(_) => false,
        }
    }

    /// Whether every other call would fail in the same way.
    pub(crate) fn concerns_all_calls(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::NoLocal(_) => true,
            Self::Foreign(answer) => answer.status != 413,
            Self::Refused(_) => self.wants_key(),
        }
    }

    /// Whether the same call may succeed in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused(problem) => {
                matches!(problem.code, ProblemCode::NotReady | ProblemCode::QueueFull)
            }
            Self::Foreign(answer) => is_gateway_error(answer.status),
            Self::NoLocal(_) => false,
        }
    }
}

/// Whether a status means that the server behind a proxy does not answer.
pub(crate) fn is_gateway_error(status: u16) -> bool {
    matches!(status, 502..=504)
}

/// The flag of the command line for a field of the api.
pub(crate) fn flag_of(pointer: &str) -> String {
    match pointer.trim_start_matches('/') {
        "word_timestamps" => "--words".to_owned(),
        "known_speaker_names" | "known_speaker_references" => "--known-speaker".to_owned(),
        "file" | "audio" => "the recording".to_owned(),
        field => format!("--{}", field.replace('_', "-")),
    }
}

/// The error message in a JSON body, in OpenAI's form or that of other frameworks.
fn message(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let places = ["/error/message", "/error", "/detail", "/message"];
    let text = places
        .iter()
        .find_map(|place| body.pointer(place)?.as_str())?
        .trim();
    (!text.is_empty()).then(|| text.chars().take(LONGEST_MESSAGE).collect())
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(reason) => {
                write!(
                    f,
                    "cannot reach the server ({reason}); start one with `steno up`, name it with --url, or use \
                     `steno transcribe --local`, which needs none"
                )
            }
            Self::Refused(problem) => refused(f, problem),
            Self::Foreign(answer) => answer.fmt(f),
            Self::NoLocal(reason) => f.write_str(reason),
        }
    }
}

const WANTS_KEY: &str = "the server asks for an API key; set STENO_API_KEY to one that it knows";

fn refused(f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
    let code = serde_json::to_value(problem.code).unwrap_or(Value::Null);
    let code = code.as_str().unwrap_or_default();
    if problem.code == ProblemCode::Unauthorized {
        return write!(f, "{WANTS_KEY} ({code})");
    }
    if problem.errors.is_empty() {
        return write!(f, "{} ({code})", problem.detail);
    }

    write!(f, "the server does not accept these options ({code})")?;
    problem
        .errors
        .iter()
        .try_for_each(|error| write!(f, "\n  {}: {}", flag_of(&error.pointer), error.detail))
}

impl fmt::Display for ForeignAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        let by = self
            .server
            .as_ref()
            .map_or_else(String::new, |server| format!(" from {server}"));

        match (status, &self.message) {
            (401, _) if self.wants_password => {
                write!(
                    f,
                    "a proxy in front of the server asks for a user name and password (status 401{by})"
                )
            }
            (401, _) => write!(f, "{WANTS_KEY} (status 401{by})"),
            (413, _) => write!(
                f,
                "a proxy in front of the server takes no recordings of this size (status 413{by}); its operator can raise \
                 the limit (client_max_body_size in nginx, see docs/PROXIES.md)"
            ),
            (502 | 503, _) => write!(
                f,
                "a proxy in front of the server cannot reach it (status {status}{by}); is the server running?"
            ),
            (504, _) => write!(
                f,
                "a proxy in front of the server did not wait long enough for its answer (status 504{by}); its operator can \
                 raise the limit (proxy_read_timeout in nginx, see docs/PROXIES.md)"
            ),
            (_, Some(message)) => write!(
                f,
                "{message} (status {status}{by}); is a Steno server at --url? `steno transcribe --local` needs none"
            ),
            (_, None) => write!(
                f,
                "status {status}{by} from something that is no Steno server; correct --url, or use `steno transcribe --local`, \
                 which needs no server"
            ),
        }
    }
}

impl std::error::Error for CallError {}

impl From<ureq::Error> for CallError {
    fn from(error: ureq::Error) -> Self {
        Self::Unreachable(error.to_string())
    }
}

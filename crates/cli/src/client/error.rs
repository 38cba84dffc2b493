//! Why a call to the server yielded nothing, in words that say what to do.

use serde_json::Value;
use steno_models::Problem;

/// Why a call yielded nothing.
#[derive(Debug)]
pub(crate) enum CallError {
    /// No answer came.
    Unreachable(String),
    /// The server said no.
    Refused(Box<Problem>),
    /// The answer is none of a Steno server.
    Foreign(u16),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(reason) => {
                write!(f, "cannot reach the server ({reason}); start one with `steno up`, or name it with --url")
            }
            Self::Refused(problem) => {
                let code = serde_json::to_value(problem.code).unwrap_or(Value::Null);
                write!(f, "{} ({})", problem.detail, code.as_str().unwrap_or_default())?;
                problem.errors.iter().try_for_each(|error| write!(f, "\n  {}: {}", error.pointer, error.detail))
            }
            Self::Foreign(status) => write!(f, "status {status} from something that is no Steno server; correct --url"),
        }
    }
}

impl std::error::Error for CallError {}

impl From<ureq::Error> for CallError {
    fn from(error: ureq::Error) -> Self {
        Self::Unreachable(error.to_string())
    }
}

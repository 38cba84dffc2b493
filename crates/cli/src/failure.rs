//! Failures that have an exit code of their own. Every other error ends the process with [`EXIT_FAILED`].

use crate::client::CallError;

/// Something did not work, and trying again will not help.
pub(crate) const EXIT_FAILED: u8 = 1;
/// The command line or a setting is wrong.
pub(crate) const EXIT_USAGE: u8 = 2;
/// The server is not there or takes nothing for now.
pub(crate) const EXIT_UNREACHABLE: u8 = 3;

/// Why a command ends without having done what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Arguments that fit the grammar and still cannot be.
    #[error("{0}")]
    Usage(String),

    /// A process of `steno up` refuses its settings; it has said which.
    #[error("{name} refuses its settings; see its message above")]
    Settings {
        /// Which process.
        name: String,
    },

    /// Some of several files failed; each has had its message.
    #[error("{failed} of {total} files failed")]
    Some {
        /// How many failed.
        failed: usize,
        /// Out of how many.
        total: usize,
        /// The most telling exit code among them.
        code: u8,
    },
}

/// The exit code that goes with an error.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    let code = error.chain().find_map(|cause| {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return Some(match failure {
                Failure::Usage(_) | Failure::Settings { .. } => EXIT_USAGE,
                Failure::Some { code, .. } => *code,
            });
        }
        cause.downcast_ref::<CallError>().map(|error| if error.is_temporary() { EXIT_UNREACHABLE } else { EXIT_FAILED })
    });
    code.unwrap_or(EXIT_FAILED)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn exit_codes_survive_context() {
        let usage = anyhow::Error::new(Failure::Usage("no".to_owned())).context("more").context("still more");
        assert_eq!(exit_code(&usage), EXIT_USAGE);
        let some = Err::<(), _>(Failure::Some { failed: 1, total: 2, code: 3 }).context("more").unwrap_err();
        assert_eq!(exit_code(&some), 3);
        assert_eq!(exit_code(&anyhow!("anything")), EXIT_FAILED);
    }
}

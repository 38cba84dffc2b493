//! The error of a job whose recording could not be fetched: a stable reason, and advice.

use steno_models::FailureCode;
use steno_store::Failure;

use crate::download::DownloadError;

/// Why a recording is refused that can be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// It is a web page.
    #[error("the address leads to a web page, not to a recording")]
    WebPage,
    /// With it, its owner would exceed this number of stored bytes.
    #[error("with this recording the API key would have more than {0} bytes stored")]
    Quota(u64),
}

impl Refusal {
    fn reason(self) -> &'static str {
        match self {
            Self::WebPage => "web_page",
            Self::Quota(_) => "quota_exceeded",
        }
    }

    /// The end of the job.
    pub(super) fn failure(self) -> Failure {
        failed(self.reason(), &self.to_string(), false)
    }
}

/// The failure of a job whose download ended with `error`.
pub(super) fn failure(error: &DownloadError) -> Failure {
    failed(error.code(), &error.to_string(), error.is_temporary())
}

fn failed(reason: &'static str, what: &str, retryable: bool) -> Failure {
    Failure {
        code: FailureCode::FetchFailed,
        message: format!("cannot fetch the recording: {what}; {}", advice(reason)),
        retryable,
        reason: Some(reason),
    }
}

/// What to do, for each reason.
fn advice(reason: &str) -> &'static str {
    match reason {
        "name_not_resolved" | "invalid_address" => "check the address",
        "address_refused" | "port_refused" => {
            "upload the recording, or ask the operator to allow the address"
        }
        "access_denied" => {
            "use an address that needs no login, such as a signed one that has not expired"
        }
        "not_found" => "check the address, and whether it has expired",
        "web_page" => "use the address of the file itself",
        "too_many_redirects" | "invalid_redirect" => "use the address at the end of the redirects",
        "too_large" => "upload a shorter or more compressed recording",
        "quota_exceeded" => "wait until other jobs of the key have ended, then submit it again",
        "empty" => "check that the file is complete at its address",
        "encoded" => "have the server send the file as it is, without Content-Encoding",
        _ => "submit it again later, or upload the recording",
    }
}

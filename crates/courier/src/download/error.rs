//! Why a recording was not fetched.

use std::io;

use steno_models::InvalidWebAddress;

use crate::outbound::OutboundError;

/// Why a recording was not fetched. Messages name neither the address nor what the server has sent.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The request got no answer, or the answer broke off.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The server refused the request.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// More than five redirects.
    #[error("more than 5 redirects")]
    TooManyRedirects,
    /// A redirect to something that is not an http or https address.
    #[error("a redirect to an address that is not accepted: {0}")]
    InvalidRedirect(InvalidWebAddress),
    /// The recording is larger than uploads may be.
    #[error("the recording is larger than the server accepts")]
    TooLarge,
    /// Bytes come more slowly than uploads may.
    #[error("the transfer is too slow")]
    TooSlow,
    /// The download took longer than it may.
    #[error("the download took too long")]
    TimedOut,
    /// A `Content-Encoding` that was not asked for.
    #[error("the answer is compressed, although that was not asked for")]
    Encoded,
    /// An answer without bytes.
    #[error("the answer is empty")]
    Empty,
    /// The remainder that the server sends does not continue what was received.
    #[error("the server sends a remainder that does not fit")]
    InvalidRange,
    /// The sink asked to stop.
    #[error("stopped")]
    Stopped,
    /// The bytes cannot be stored.
    #[error("cannot store the recording")]
    Sink(#[source] io::Error),
}

impl DownloadError {
    /// The stable name for clients and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Outbound(error) => error.code(),
            Self::Status(401 | 403 | 407) => "access_denied",
            Self::Status(404 | 410) => "not_found",
            Self::Status(_) => "http_status",
            Self::TooManyRedirects => "too_many_redirects",
            Self::InvalidRedirect(_) => "invalid_redirect",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::TimedOut => "timed_out",
            Self::Encoded => "encoded",
            Self::Empty => "empty",
            Self::InvalidRange => "invalid_range",
            Self::Stopped => "stopped",
            Self::Sink(_) => "not_stored",
        }
    }

    /// Whether the same download may succeed in a few minutes.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Outbound(error) => may_recover(error),
            Self::Status(status) => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            Self::TooSlow | Self::TimedOut | Self::InvalidRange => true,
            Self::TooManyRedirects
            | Self::InvalidRedirect(_)
            | Self::TooLarge
            | Self::Encoded
            | Self::Empty
            | Self::Stopped
            | Self::Sink(_) => false,
        }
    }

    /// Whether to ask for the remainder at once.
    pub(super) fn is_worth_another_transfer(&self) -> bool {
        match self {
            Self::Outbound(error) => matches!(
                error,
                OutboundError::CutShort | OutboundError::TimedOut | OutboundError::NotConnected(_)
            ),
            Self::Status(status) => matches!(status, 500 | 502 | 503 | 504),
            Self::InvalidRange => true,
            _ => false,
        }
    }
}

/// Whether the same download may succeed within a minute or two. Stricter than for webhooks, whose receivers may be repaired
/// while their job lives.
fn may_recover(error: &OutboundError) -> bool {
    match error {
        OutboundError::HeadersTooLarge | OutboundError::Protocol(_) | OutboundError::NoTls => false,
        // rustls rejected the certificate.
        OutboundError::Tls(error) => error.kind() != io::ErrorKind::InvalidData,
        error => error.is_temporary(),
    }
}

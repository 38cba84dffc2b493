//! Why a request got no answer.

use std::io;

/// Why a request got no answer. Messages name neither the address nor what the other side has sent.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// A name that has no address.
    #[error("the host name cannot be resolved")]
    NotResolved(#[source] io::Error),
    /// A name with an empty list of addresses.
    #[error("the host name has no address")]
    NoAddress,
    /// A private, local or otherwise special address that the operator has not permitted.
    #[error(
        "the host is not on a public network, and STENO_OUTBOUND_ALLOW does not list its address"
    )]
    AddressRefused,
    /// A public address on a port other than 80 and 443.
    #[error("only ports 80 and 443 are called, unless STENO_OUTBOUND_ALLOW lists the address")]
    PortRefused,
    /// The address cannot be put into a request.
    #[error("the address cannot be requested")]
    InvalidTarget,
    /// No address took the connection.
    #[error("cannot connect to the host")]
    NotConnected(#[source] io::Error),
    /// This machine has no certificates to check others with.
    #[error("https is not possible: this machine trusts no certificates")]
    NoTls,
    /// The handshake failed, or the certificate is not trusted.
    #[error("no encrypted connection, or the host's certificate is not trusted")]
    Tls(#[source] io::Error),
    /// No answer in time.
    #[error("the host did not answer in time")]
    TimedOut,
    /// More or longer headers than are read.
    #[error("the headers of the answer are too large")]
    HeadersTooLarge,
    /// The connection ended before the answer did.
    #[error("the connection ended before the answer was complete")]
    CutShort,
    /// Something that is not HTTP/1.1.
    #[error("the answer is not valid HTTP")]
    Protocol(#[source] hyper::Error),
}

impl OutboundError {
    /// The stable name for clients and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotResolved(_) | Self::NoAddress => "name_not_resolved",
            Self::AddressRefused => "address_refused",
            Self::PortRefused => "port_refused",
            Self::InvalidTarget => "invalid_address",
            Self::NotConnected(_) => "connection_failed",
            Self::NoTls | Self::Tls(_) => "tls_failed",
            Self::TimedOut => "timed_out",
            Self::HeadersTooLarge => "headers_too_large",
            Self::CutShort => "cut_short",
            Self::Protocol(_) => "invalid_answer",
        }
    }

    /// Whether the same request may succeed later. What an address is does not change within a job's life.
    pub fn is_temporary(&self) -> bool {
        !matches!(
            self,
            Self::AddressRefused | Self::PortRefused | Self::InvalidTarget
        )
    }

    pub(crate) fn from_hyper(error: hyper::Error) -> Self {
        if error.is_parse_too_large() {
            return Self::HeadersTooLarge;
        }
        let is_broken = error.is_incomplete_message()
            || error.is_closed()
            || error.is_canceled()
            || error.is_body_write_aborted();
        // A reset connection and a malformed chunk are I/O errors below hyper's.
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            if let Some(cause) = cause.downcast_ref::<io::Error>() {
                return Self::from_io(cause.kind(), error);
            }
            source = cause.source();
        }
        if is_broken {
            Self::CutShort
        } else {
            Self::Protocol(error)
        }
    }

    fn from_io(kind: io::ErrorKind, error: hyper::Error) -> Self {
        match kind {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Self::Protocol(error),
            _ => Self::CutShort,
        }
    }
}

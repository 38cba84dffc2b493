//! One outgoing HTTP request to an address that a client chose. The only place that connects to the outside.
//!
//! The host is resolved once, every address is checked, and the connection goes to one of these addresses. It follows no redirects, uses
//! no proxies or cookies, decompresses nothing, and uses each connection once, because each of these could bypass the check.

mod address;
mod connect;
mod error;
mod resolve;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use steno_models::WebAddress;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

pub use address::{AddressPolicy, InvalidNetwork};
pub use error::OutboundError;
pub use resolve::{Resolve, Resolved, SystemResolver};

/// Bytes of status line and headers that an answer may have.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Headers that an answer may have.
const MAX_HEADERS: usize = 100;
const AGENT: &str = concat!("steno/", env!("CARGO_PKG_VERSION"));

/// Sends requests to addresses that the policy permits.
pub struct Outbound {
    policy: AddressPolicy,
    resolver: Arc<dyn Resolve>,
    tls: Option<TlsConnector>,
    connect_timeout: Duration,
}

/// An answer whose head has arrived. Its body arrives as it is read. Dropping it closes the connection.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    _connection: AbortOnDrop,
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Outbound {
    /// With the certificates that the system trusts.
    pub fn new(policy: AddressPolicy, resolver: Arc<dyn Resolve>) -> Self {
        let tls = connect::system_tls()
            .inspect_err(|error| {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "no https: the system's certificates cannot be read"
                );
            })
            .ok();

        Self {
            policy,
            resolver,
            tls,
            connect_timeout: Duration::from_secs(10),
        }
    }

    /// The same with another limit on each connect.
    #[must_use]
    pub fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// The same with other certificates.
    #[must_use]
    pub fn with_tls(mut self, config: rustls::ClientConfig) -> Self {
        self.tls = Some(TlsConnector::from(Arc::new(config)));
        self
    }

    /// Sends `request` to `address` and returns when the head of the answer has arrived. Fails at `deadline`.
    /// Sets target, `Host`, `User-Agent` and `Connection` itself.
    pub(crate) async fn send(
        &self,
        address: &WebAddress,
        request: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<Answer, OutboundError> {
        let sent = self.send_unbounded(address, request);

        tokio::time::timeout_at(deadline, sent)
            .await
            .map_err(|_| OutboundError::TimedOut)?
    }

    async fn send_unbounded(
        &self,
        address: &WebAddress,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Answer, OutboundError> {
        let permitted = self.policy.resolve(address, &*self.resolver).await?;
        let stream = self.connect(address, &permitted).await?;

        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEADER_BYTES)
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(OutboundError::from_hyper)?;
        // The same error is returned with the answer, and handled there.
        let connection = AbortOnDrop(tokio::spawn(async move { drop(connection.await) }));

        let target = address.path_and_query().parse();
        *request.uri_mut() = target.map_err(|_| OutboundError::InvalidTarget)?;
        let host = HeaderValue::from_str(address.authority());
        let headers = request.headers_mut();
        headers.insert(HOST, host.map_err(|_| OutboundError::InvalidTarget)?);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));

        let response = sender
            .send_request(request)
            .await
            .map_err(OutboundError::from_hyper)?;
        Ok(Answer {
            response,
            _connection: connection,
        })
    }
}

//! A connection to one of the checked addresses, encrypted for https.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt as _;
use steno_models::WebAddress;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Outbound, OutboundError};

/// A byte stream, encrypted or not.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> ByteStream for T {}

/// TLS that trusts what the system trusts.
pub(super) fn system_tls() -> Result<TlsConnector, rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();

    Ok(TlsConnector::from(Arc::new(config)))
}

impl Outbound {
    /// Tries the addresses in turn.
    pub(super) async fn connect(
        &self,
        address: &WebAddress,
        permitted: &[SocketAddr],
    ) -> Result<Pin<Box<dyn ByteStream>>, OutboundError> {
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for target in permitted {
            match tokio::time::timeout(self.connect_timeout, TcpStream::connect(target)).await {
                Ok(Ok(stream)) => return self.encrypt(address, stream).await,
                Ok(Err(error)) => failure = error,
                Err(_) => failure = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(OutboundError::NotConnected(failure))
    }

    async fn encrypt(
        &self,
        address: &WebAddress,
        stream: TcpStream,
    ) -> Result<Pin<Box<dyn ByteStream>>, OutboundError> {
        if !address.is_https() {
            return Ok(Box::pin(stream));
        }
        let tls = self.tls.as_ref().ok_or(OutboundError::NoTls)?;
        let name = match address.host() {
            url::Host::Domain(name) => {
                ServerName::try_from(name.to_owned()).map_err(|_| OutboundError::InvalidTarget)?
            }
            url::Host::Ipv4(ip) => ServerName::IpAddress(ip.into()),
            url::Host::Ipv6(ip) => ServerName::IpAddress(ip.into()),
        };
        let encrypted = tls.connect(name, stream).await;

        Ok(Box::pin(encrypted.map_err(OutboundError::Tls)?))
    }
}

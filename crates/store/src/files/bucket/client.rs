//! The S3 client: its address, its limits, and TLS that trusts what the system trusts.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use object_store::{BackoffConfig, RetryConfig};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_platform_verifier::BuilderVerifierExt;

use super::credentials;
use crate::StoreError;
use crate::files::location::BucketLocation;

/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time without a byte of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// A connection that has been idle for longer may be closed by the server just when it is used.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Retries of a failed request, and the time after which it is not retried.
const MAX_RETRIES: usize = 4;
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);

/// Builds the client. Contacts no server.
pub(super) fn build(location: &BucketLocation) -> Result<AmazonS3, StoreError> {
    configure(location)?
        .build()
        .map_err(|error| StoreError::StorageUrl {
            problem: format!("a variable of AWS (AWS_…) is wrong: {error}"),
        })
}

/// The settings of the client.
pub(super) fn configure(location: &BucketLocation) -> Result<AmazonS3Builder, StoreError> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&location.bucket)
        .with_http_connector(Connector(http_client()?))
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: MAX_RETRIES,
            retry_timeout: RETRY_TIMEOUT,
        });
    if let Some(endpoint) = &location.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &location.region {
        builder = builder.with_region(region);
    }
    // An operator who writes http:// wants no encryption.
    credentials::add(
        builder.with_allow_http(true),
        location.credentials.as_deref(),
    )
}

fn http_client() -> Result<reqwest::Client, StoreError> {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| no_tls(&error))?
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        // A redirect would carry the signed request to another server.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("steno/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| no_tls(&error))
}

fn no_tls(error: &dyn std::error::Error) -> StoreError {
    StoreError::StorageUrl {
        problem: format!(
            "https needs the system's certificates (install ca-certificates): {error}"
        ),
    }
}

/// Gives the client to `object_store`.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

//! TLS to the server, by rustls, with a verified certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresError;

/// Trusts the certificates of `ca_file`, or those of the system.
pub(super) fn connector(ca_file: Option<&Path>) -> Result<MakeRustlsConnect, PostgresError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| PostgresError::Certificates(error.to_string()))?;

    let config = match ca_file {
        None => builder
            .with_platform_verifier()
            .map_err(|error| PostgresError::Certificates(error.to_string()))?
            .with_no_client_auth(),
        Some(file) => builder
            .with_root_certificates(trusted(file)?)
            .with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

fn trusted(file: &Path) -> Result<RootCertStore, PostgresError> {
    let problem = |error: String| {
        PostgresError::Certificates(format!(
            "{} (STENO_DATABASE_CA_FILE): {error}",
            file.display()
        ))
    };
    let mut store = RootCertStore::empty();
    for certificate in
        CertificateDer::pem_file_iter(file).map_err(|error| problem(error.to_string()))?
    {
        let certificate = certificate.map_err(|error| problem(error.to_string()))?;
        store
            .add(certificate)
            .map_err(|error| problem(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(problem("holds no certificate".to_owned()));
    }
    Ok(store)
}

//! https to receivers and to servers of recordings, with a certificate authority that the system trusts and ones it does not.

use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use steno_e2e::{Service, eventually, fixture};
use steno_models::{DeliveryStatus, JobStatus};

use crate::by_url::{recording, settings, submit};
use crate::origin::{Step, answer, serve};

/// A certificate authority of the test.
struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    /// Makes one, and writes its certificate to a file.
    fn new(file: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(file, certificate.pem()).unwrap();
        Self(Issuer::new(params, key))
    }

    /// A server with a certificate for `name`, valid until that year. Returns its address.
    fn serve(&self, name: &str, until: i32, steps: Vec<Step>) -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();

        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("https://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(connection, stream.unwrap());
                serve(&mut stream, &|_| steps.clone(), &Mutex::default());
                stream.conn.send_close_notify();
                // A client that refused the certificate has left.
                let _ = stream.conn.complete_io(&mut stream.sock);
            }
        });
        address
    }
}

fn service(trusted: &Path) -> Service {
    let file = trusted.to_str().unwrap();
    settings().set("SSL_CERT_FILE", file).start()
}

fn ended(service: &Service, address: &str) -> JobStatus {
    let job = submit(service, address);
    service.client.wait(job)
}

#[test]
fn a_recording_is_fetched_by_https_from_a_trusted_server_only() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    let authority = Authority::new(&trusted);
    let unknown = Authority::new(&folder.path().join("unknown.pem"));
    let service = service(&trusted);
    let found = || answer("200 OK", &recording());

    let fetched = ended(&service, &authority.serve("127.0.0.1", 2100, found()));
    let uploaded = service.client.submit(&fixture("clip.opus"), "language=en");
    let text = service.client.wait_for_text(uploaded);
    assert_eq!(fetched.result.map(|result| result.text), Some(text));

    for (what, address) in [
        (
            "an unknown authority",
            unknown.serve("127.0.0.1", 2100, found()),
        ),
        ("another name", authority.serve("127.0.0.9", 2100, found())),
        ("expired", authority.serve("127.0.0.1", 2020, found())),
    ] {
        let error = ended(&service, &address).error.unwrap();
        assert_eq!(
            error.reason.as_deref(),
            Some("tls_failed"),
            "{what}: {error:?}"
        );
    }
}

#[test]
fn a_webhook_is_delivered_by_https_to_a_trusted_receiver_only() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    let authority = Authority::new(&trusted);
    let unknown = Authority::new(&folder.path().join("unknown.pem"));
    let service = service(&trusted);
    let taken = || answer("204 No Content", b"");
    let attempt = |address: String| {
        let query = format!("language=en&callback_url={address}");
        let job = service.client.submit(&fixture("clip.opus"), &query);
        eventually("the webhook was sent", || {
            let deliveries = service.client.status(job).deliveries;
            deliveries
                .into_iter()
                .find(|delivery| delivery.attempts > 0)
        })
    };

    let delivered = attempt(authority.serve("127.0.0.1", 2100, taken()));
    assert_eq!(delivered.status, DeliveryStatus::Delivered);
    assert_eq!(delivered.response_status, Some(204));
    let refused = attempt(unknown.serve("127.0.0.1", 2100, taken()));
    assert_eq!(refused.status, DeliveryStatus::Pending);
    assert_eq!(refused.reason.as_deref(), Some("tls_failed"));
}

//! DNS rebinding: names whose address changes to a forbidden one after it was checked. The courier runs on a host of its own, whose
//! name server is the test's.

use std::net::{Ipv4Addr, TcpListener};

use steno_e2e::{Service, Settings, fixture};
use steno_models::{DeliveryStatus, Status};
use steno_testbed::Host;

use crate::by_url::{recording, submit};
use crate::name_server::NameServer;
use crate::origin::Step;
use crate::origin::{Origin, Request, answer, head_of};
use crate::webhooks::{delivery, escaped};

/// A service whose courier may call one address, and a server at that address and at the loopback address, on the same port.
struct Bed {
    service: Service,
    origin: Origin,
    port: u16,
    name_server: NameServer,
    /// At the loopback address, which must not be called.
    forbidden: TcpListener,
    _host: Host,
}

impl Bed {
    /// `None`, with a message, where namespaces are forbidden. `script` gets the port of the server.
    fn start(script: impl Fn(u16, &Request) -> Vec<Step> + Send + Sync + 'static) -> Option<Self> {
        let host = Host::create()?;
        host.resolve_at_gateway();
        let (allowed, loopback) = (host.gateway(), Ipv4Addr::LOCALHOST);
        let names = [
            ("rebound.test", vec![vec![allowed], vec![loopback]]),
            ("inside.test", vec![vec![loopback]]),
            ("mixed.test", vec![vec![allowed, loopback]]),
        ];
        let names = names.map(|(name, answers)| (name.to_owned(), answers));
        let name_server = NameServer::start(allowed, names.into());

        let origin = Origin::on(&allowed.to_string(), move |request| {
            let host = request.header("host").unwrap_or_default();
            let port = host.rsplit(':').next().and_then(|port| port.parse().ok());
            script(port.unwrap_or(0), request)
        });
        let address = origin.url("");
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        let forbidden = host.listen_on_loopback(port);
        forbidden.set_nonblocking(true).unwrap();

        let mut service = Settings::with_scripted_workers(1)
            .in_data_folder()
            .set("STENO_OUTBOUND_ALLOW", &allowed.to_string())
            .start();
        service.start_courier_through(&host.prefix().map(ToOwned::to_owned));
        Some(Self {
            service,
            origin,
            port,
            name_server,
            forbidden,
            _host: host,
        })
    }

    fn url(&self, name: &str) -> String {
        format!("http://{name}:{}/talk.opus", self.port)
    }

    /// Submits a recording at `name`, which must be refused.
    fn check_refused(&self, name: &str) {
        let job = submit(&self.service, &self.url(name));
        let error = self.service.client.wait(job).error.unwrap();
        assert_eq!(
            error.reason.as_deref(),
            Some("address_refused"),
            "{error:?}"
        );
    }

    fn check_forbidden_was_not_called(&self) {
        assert!(self.forbidden.accept().is_err(), "loopback was called");
    }
}

#[test]
fn the_address_that_was_checked_is_the_one_that_is_called() {
    let Some(bed) = Bed::start(|_, _| answer("200 OK", &recording())) else {
        return;
    };
    let job = submit(&bed.service, &bed.url("rebound.test"));
    let ended = bed.service.client.wait(job);
    assert_eq!(ended.status, Status::Completed, "{:?}", ended.error);
    assert_eq!(bed.name_server.queries("rebound.test"), 1);
    assert_eq!(bed.origin.requests().len(), 1);

    // The next request asks again, and gets the loopback address.
    bed.check_refused("rebound.test");
    bed.check_refused("mixed.test");
    bed.check_forbidden_was_not_called();
    assert_eq!(bed.origin.requests().len(), 1);
}

#[test]
fn a_redirect_to_a_name_inside_is_refused() {
    let Some(bed) = Bed::start(|port, _| {
        let head = format!("302 Found\r\nlocation: http://inside.test:{port}/");
        answer(&head, b"")
    }) else {
        return;
    };
    bed.check_refused("rebound.test");
    assert_eq!(bed.name_server.queries("inside.test"), 1);
    bed.check_forbidden_was_not_called();
}

#[test]
fn a_name_that_changes_during_a_broken_transfer_is_refused() {
    let Some(bed) = Bed::start(|_, _| {
        let body = recording();
        let head = head_of("200 OK\r\netag: \"one\"", body.len());
        vec![Step::Send(head), Step::Send(body[..1000].to_vec())]
    }) else {
        return;
    };
    bed.check_refused("rebound.test");
    assert_eq!(bed.name_server.queries("rebound.test"), 2);
    assert_eq!(bed.origin.requests().len(), 1);
    bed.check_forbidden_was_not_called();
}

#[test]
fn a_webhook_to_a_name_that_changes_is_refused() {
    let Some(bed) = Bed::start(|_, _| answer("503 Service Unavailable\r\nretry-after: 1", b""))
    else {
        return;
    };
    let query = format!(
        "language=en&callback_url={}",
        escaped(&bed.url("rebound.test"))
    );
    let job = bed.service.client.submit(&fixture("clip.opus"), &query);
    let failed = delivery(&bed.service, job, DeliveryStatus::Failed);

    assert_eq!(failed.reason.as_deref(), Some("address_refused"));
    assert_eq!(failed.attempts, 2);
    assert_eq!(bed.origin.requests().len(), 1);
    bed.check_forbidden_was_not_called();
}

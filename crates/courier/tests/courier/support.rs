//! A client for the tests: a resolver that can lie, and a sink in memory.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::header::HeaderValue;
use steno_courier::{
    AddressPolicy, Download, DownloadError, DownloadLimits, Downloaded, Outbound, Resolve,
    Resolved, Sink,
};

use crate::server::PERMITTED;

/// Names, and what each lookup of them answers in turn; the last answer repeats.
#[derive(Default)]
pub(crate) struct Names {
    answers: HashMap<&'static str, Vec<Vec<&'static str>>>,
    lookups: Mutex<HashMap<String, usize>>,
}

impl Names {
    pub(crate) fn of(answers: &[(&'static str, &[&[&'static str]])]) -> Arc<Self> {
        let answers = answers
            .iter()
            .map(|(name, lookups)| (*name, lookups.iter().map(|ips| ips.to_vec()).collect()));
        Arc::new(Self {
            answers: answers.collect(),
            lookups: Mutex::default(),
        })
    }

    pub(crate) fn lookups(&self, name: &str) -> usize {
        self.lookups.lock().unwrap().get(name).copied().unwrap_or(0)
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolved<'a> {
        Box::pin(async move {
            let answers = self.answers.get(name).ok_or(io::ErrorKind::NotFound)?;
            let mut lookups = self.lookups.lock().unwrap();
            let count = lookups.entry(name.to_owned()).or_default();
            let answer = answers.get(*count).or(answers.last()).unwrap();
            *count += 1;

            Ok(answer
                .iter()
                .map(|ip| ip.parse::<IpAddr>().unwrap())
                .collect())
        })
    }
}

/// A client that may call [`PERMITTED`] besides public addresses, and trusts no certificate.
pub(crate) fn client(names: Arc<Names>) -> Outbound {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();

    Outbound::new(AddressPolicy::parse(PERMITTED).unwrap(), names)
        .with_connect_timeout(Duration::from_secs(2))
        .with_tls(tls)
}

/// Limits that no test comes near on a busy machine.
pub(crate) const PATIENT: DownloadLimits = DownloadLimits {
    max_bytes: 1_000_000,
    max_duration: Duration::from_secs(60),
    answer_timeout: Duration::from_secs(20),
    read_timeout: Duration::from_secs(20),
    min_rate: 0,
    slow_start: Duration::from_secs(60),
    pause: Duration::from_millis(1),
};

/// Limits for servers that have to run into them.
pub(crate) const IMPATIENT: DownloadLimits = DownloadLimits {
    max_bytes: 1_000_000,
    max_duration: Duration::from_millis(1500),
    answer_timeout: Duration::from_millis(700),
    read_timeout: Duration::from_millis(300),
    min_rate: 10_000,
    slow_start: Duration::from_millis(400),
    pause: Duration::from_millis(1),
};

/// Bytes in memory, and what was reported.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) bytes: Vec<u8>,
    pub(crate) restarts: usize,
    pub(crate) reports: Vec<(u64, Option<u64>)>,
}

impl Sink for Memory {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn announce(&mut self, _total: Option<u64>, _validator: Option<&HeaderValue>) -> bool {
        true
    }

    fn restart(&mut self) -> io::Result<()> {
        self.bytes.clear();
        self.restarts += 1;
        Ok(())
    }

    fn report(&mut self, received: u64, total: Option<u64>) -> bool {
        self.reports.push((received, total));
        true
    }
}

pub(crate) async fn fetch(
    client: &Outbound,
    url: &str,
    limits: DownloadLimits,
) -> (Result<Downloaded, DownloadError>, Memory) {
    let mut memory = Memory::default();
    let outcome = Download::new(client, limits, &mut memory)
        .run(&url.parse().unwrap())
        .await;
    (outcome, memory)
}

/// The code of a download that fails, or `ok`.
pub(crate) fn code(outcome: &Result<Downloaded, DownloadError>) -> &'static str {
    outcome.as_ref().map_or_else(DownloadError::code, |_| "ok")
}

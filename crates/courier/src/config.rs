//! Settings of steno-courier. Parsed once in `main`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use steno_settings::{LogSettings, QueueSettings, VERSION, parse_bytes, parse_duration};
use steno_store::{Place, StoreError, StoreSettings};

use crate::{AddressPolicy, DownloadLimits};

/// Name of the file of secrets in the data folder.
const SECRETS_FILE: &str = "webhook-secrets";
/// Pause after the first broken transfer; doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Sends webhooks and fetches recordings that were submitted by their address.
///
/// Every setting can be given as a flag, as an environment variable, or in the TOML file that `STENO_CONFIG` names.
#[derive(Clone, Debug, Parser)]
#[command(name = "steno-courier", version = VERSION.as_str())]
pub struct Config {
    /// Where the queue is and how long it keeps things.
    #[command(flatten)]
    pub queue: QueueSettings,

    /// Networks that are allowed besides public addresses, on any port: 10.1.0.0/16,192.168.1.5.
    #[arg(long, env = "STENO_OUTBOUND_ALLOW", default_value = "", value_parser = parse_policy)]
    pub outbound_allow: AddressPolicy,

    /// File of the secrets that sign webhooks [default: webhook-secrets in the data folder].
    #[arg(long, env = "STENO_WEBHOOK_SECRETS_FILE")]
    pub webhook_secrets_file: Option<PathBuf>,

    /// Recordings that are fetched at the same time. One API key can use at most three quarters of them.
    #[arg(long, env = "STENO_FETCH_SLOTS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub fetch_slots: u32,

    /// Longest time for one recording to be fetched.
    #[arg(long, env = "STENO_FETCH_TIMEOUT", default_value = "1h", value_parser = parse_duration)]
    pub fetch_timeout: Duration,

    /// Longest time for a server to answer, and longest pause in a transfer.
    #[arg(long, env = "STENO_FETCH_CHUNK_TIMEOUT", default_value = "30s", value_parser = parse_duration)]
    pub fetch_chunk_timeout: Duration,

    /// Minimum average bytes per second of a transfer after `STENO_FETCH_CHUNK_TIMEOUT`; 0 for no minimum.
    #[arg(long, env = "STENO_FETCH_MIN_RATE", default_value = "500", value_parser = parse_bytes)]
    pub fetch_min_rate: u64,

    /// Free space on the disk below which nothing is fetched.
    #[arg(long, env = "STENO_DISK_RESERVE_BYTES", default_value = "256MiB", value_parser = parse_bytes)]
    pub disk_reserve_bytes: u64,

    /// Time for running downloads and webhooks to finish after SIGTERM.
    #[arg(long, env = "STENO_DRAIN_TIMEOUT", default_value = "20s", value_parser = parse_duration)]
    pub drain_timeout: Duration,

    /// Time without progress of a slot after which the process exits, to be restarted.
    #[arg(long, env = "STENO_STALL_TIMEOUT", default_value = "300s", value_parser = parse_duration)]
    pub stall_timeout: Duration,

    /// What to log and how.
    #[command(flatten)]
    pub log: LogSettings,
}

fn parse_policy(text: &str) -> Result<AddressPolicy, String> {
    AddressPolicy::parse(text).map_err(|error| error.to_string())
}

impl Config {
    /// Where the queue is.
    pub fn place(&self) -> Result<Place, StoreError> {
        let QueueSettings { data, database, .. } = &self.queue;
        let password_file = database.password_file();
        Place::new(
            data,
            database.url(),
            password_file.as_deref(),
            database.ca_file(),
        )
    }

    /// What the store needs to know.
    pub fn store_settings(&self) -> StoreSettings {
        StoreSettings {
            ttl: self.queue.ttl,
            retrieval_grace: self.queue.retrieval_grace,
            lease: self.queue.lease,
        }
    }

    /// Where the secrets are.
    pub fn secrets_file(&self) -> PathBuf {
        let file = self.webhook_secrets_file.clone();
        file.unwrap_or_else(|| self.queue.data.join(SECRETS_FILE))
    }

    /// The limits of each download, except its size, which comes with its task.
    pub(crate) fn download_limits(&self) -> DownloadLimits {
        DownloadLimits {
            max_bytes: u64::MAX,
            max_duration: self.fetch_timeout,
            answer_timeout: self.fetch_chunk_timeout,
            read_timeout: self.fetch_chunk_timeout,
            min_rate: self.fetch_min_rate,
            slow_start: self.fetch_chunk_timeout,
            pause: FIRST_PAUSE,
        }
    }

    /// Every problem with the values, each naming its setting.
    pub fn problems(&self) -> Vec<&'static str> {
        let mut problems = self.queue.problems();
        if self.stall_timeout < Duration::from_secs(10) {
            problems.push("STENO_STALL_TIMEOUT must be at least 10s");
        }
        if self.fetch_timeout.is_zero() {
            problems.push("STENO_FETCH_TIMEOUT must be longer than 0");
        }
        if self.fetch_chunk_timeout.is_zero() {
            problems.push("STENO_FETCH_CHUNK_TIMEOUT must be longer than 0");
        }
        problems
    }
}

//! Settings of steno-courier. Parsed once in `main`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use steno_settings::{LogSettings, QueueSettings, VERSION, parse_duration};
use steno_store::StoreSettings;

use crate::AddressPolicy;

/// Name of the file of secrets in the data folder.
const SECRETS_FILE: &str = "webhook-secrets";

/// Sends webhooks.
///
/// Every setting can be given as a flag, as an environment variable, or in the TOML file that `STENO_CONFIG` names.
#[derive(Clone, Debug, Parser)]
#[command(name = "steno-courier", version = VERSION.as_str())]
pub struct Config {
    /// Where the queue is and how long it keeps things.
    #[command(flatten)]
    pub queue: QueueSettings,

    /// Networks that may be called besides public addresses, as in 10.1.0.0/16,192.168.1.5, on any port.
    #[arg(long, env = "STENO_OUTBOUND_ALLOW", default_value = "", value_parser = parse_policy)]
    pub outbound_allow: AddressPolicy,

    /// File of the secrets that sign webhooks [default: webhook-secrets in the data folder].
    #[arg(long, env = "STENO_WEBHOOK_SECRETS_FILE")]
    pub webhook_secrets_file: Option<PathBuf>,

    /// Time for what is being sent to end after SIGTERM.
    #[arg(long, env = "STENO_DRAIN_TIMEOUT", default_value = "20s", value_parser = parse_duration)]
    pub drain_timeout: Duration,

    /// Time without a sign of life after which the process ends itself, to be restarted.
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

    /// Every problem with the values, each naming its setting.
    pub fn problems(&self) -> Vec<&'static str> {
        let mut problems = self.queue.problems();
        if self.stall_timeout < Duration::from_secs(10) {
            problems.push("STENO_STALL_TIMEOUT must be at least 10s");
        }
        problems
    }
}

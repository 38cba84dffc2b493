//! Settings of the queue, which api and workers share and must agree on.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::{DatabaseSettings, parse_duration};

/// Where the queue is and how long it keeps things.
#[derive(Args, Clone, Debug)]
pub struct QueueSettings {
    /// Folder of the queue and the audio, shared by the api and the workers.
    #[arg(long, env = "STENO_DATA", default_value = "data")]
    pub data: PathBuf,

    /// The database server, if there is one.
    #[command(flatten)]
    pub database: DatabaseSettings,

    /// Where recordings and decoded audio are kept: `s3://bucket/prefix`, with `?endpoint=` and `?region=` for storage that is not
    /// Amazon's, or `file:///folder`. Credentials come from AWS's variables, its shared file, or the file that `?credentials=` names
    /// [default: the folder of the queue].
    #[arg(long, env = "STENO_STORAGE_URL")]
    pub storage_url: Option<String>,

    /// How long a job lives, from its submission.
    #[arg(long, env = "STENO_TTL", default_value = "24h", value_parser = parse_duration)]
    pub ttl: Duration,

    /// How long a job lives on after its result was delivered; 0 deletes as the last byte leaves.
    #[arg(long, env = "STENO_RETRIEVAL_GRACE", default_value = "60s", value_parser = parse_duration)]
    pub retrieval_grace: Duration,

    /// How long a worker's claims stand without a heartbeat.
    #[arg(long, env = "STENO_LEASE", default_value = "30s", value_parser = parse_duration)]
    pub lease: Duration,

    /// Pause between two deletion runs, at most 30 s.
    #[arg(long, env = "STENO_SWEEP_INTERVAL", default_value = "10s", value_parser = parse_duration)]
    pub sweep_interval: Duration,
}

impl QueueSettings {
    /// Every problem with the values, each naming its setting.
    pub fn problems(&self) -> Vec<&'static str> {
        let mut problems = Vec::new();
        if self.ttl.is_zero() {
            problems.push("STENO_TTL must be longer than 0");
        }
        if self.lease < Duration::from_secs(5) {
            problems.push("STENO_LEASE must be at least 5s");
        }
        if self.sweep_interval.is_zero() || self.sweep_interval > Duration::from_secs(30) {
            problems.push("STENO_SWEEP_INTERVAL must be longer than 0 and at most 30s");
        }
        problems
    }
}

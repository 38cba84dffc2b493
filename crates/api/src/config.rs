//! Settings of steno-api. Parsed once in `main`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use steno_settings::{LogSettings, parse_bytes, parse_duration};
use steno_store::StoreSettings;

/// Accepts recordings over HTTP, answers for jobs, deletes them.
///
/// Every setting can be given as a flag, as an environment variable, or in the TOML file that `STENO_CONFIG` names.
#[derive(Clone, Debug, Parser)]
#[command(name = "steno-api", version)]
pub struct Config {
    /// Folder of the queue and the audio, shared with the workers.
    #[arg(long, env = "STENO_DATA", default_value = "data")]
    pub data: PathBuf,

    /// Address and port to listen on.
    #[arg(long, env = "STENO_BIND", default_value = "127.0.0.1:8080")]
    pub bind: SocketAddr,

    /// Name of the weights the workers load; a request for others is refused.
    #[arg(long, env = "STENO_MODEL", default_value = "base")]
    pub model: String,

    /// How long a job lives, from its submission.
    #[arg(long, env = "STENO_TTL", default_value = "24h", value_parser = parse_duration)]
    pub ttl: Duration,

    /// How long a job lives on after its result was delivered; 0 deletes as the last byte leaves.
    #[arg(long, env = "STENO_RETRIEVAL_GRACE", default_value = "60s", value_parser = parse_duration)]
    pub retrieval_grace: Duration,

    /// Largest recording in bytes.
    #[arg(long, env = "STENO_MAX_UPLOAD_BYTES", default_value = "2GiB", value_parser = parse_bytes)]
    pub max_upload_bytes: u64,

    /// Jobs that may wait; further ones are refused with 503.
    #[arg(long, env = "STENO_MAX_PENDING_JOBS", default_value_t = 100_000)]
    pub max_pending_jobs: u64,

    /// Longest pause in an upload before it is given up.
    #[arg(long, env = "STENO_UPLOAD_CHUNK_TIMEOUT", default_value = "30s", value_parser = parse_duration)]
    pub upload_chunk_timeout: Duration,

    /// Free space on the disk below which uploads are refused with 507.
    #[arg(long, env = "STENO_DISK_RESERVE_BYTES", default_value = "256MiB", value_parser = parse_bytes)]
    pub disk_reserve_bytes: u64,

    /// How long a worker's claims stand without a heartbeat. The same for api and workers.
    #[arg(long, env = "STENO_LEASE", default_value = "30s", value_parser = parse_duration)]
    pub lease: Duration,

    /// Pause between two looks for what is due for deletion, at most 30 s.
    #[arg(long, env = "STENO_SWEEP_INTERVAL", default_value = "10s", value_parser = parse_duration)]
    pub sweep_interval: Duration,

    /// What to log and how.
    #[command(flatten)]
    pub log: LogSettings,
}

impl Config {
    /// What the store needs to know.
    pub fn store_settings(&self) -> StoreSettings {
        StoreSettings { ttl: self.ttl, retrieval_grace: self.retrieval_grace, lease: self.lease }
    }

    /// Checks what one setting alone cannot show. Every problem names its setting.
    pub fn check(&self) -> Result<(), String> {
        let mut problems = Vec::new();
        if self.ttl.is_zero() {
            problems.push("STENO_TTL must be longer than 0");
        }
        if self.sweep_interval.is_zero() || self.sweep_interval > Duration::from_secs(30) {
            problems.push("STENO_SWEEP_INTERVAL must be longer than 0 and at most 30s");
        }
        if self.lease < Duration::from_secs(5) {
            problems.push("STENO_LEASE must be at least 5s");
        }
        if self.upload_chunk_timeout.is_zero() {
            problems.push("STENO_UPLOAD_CHUNK_TIMEOUT must be longer than 0");
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }
}

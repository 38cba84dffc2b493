//! Settings of steno-api. Parsed once in `main`.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use ipnet::IpNet;
use steno_settings::{LogSettings, QueueSettings, parse_bytes, parse_duration, parse_network};
use steno_store::{Place, StoreError, StoreSettings};

use crate::model_names::{ModelAlias, parse_alias};

/// The credential of systemd that is the file of API keys where no other is named.
const KEYS_CREDENTIAL: &str = "steno.api-keys";

/// Accepts recordings over HTTP, answers for jobs, deletes them.
///
/// Every setting can be given as a flag, as an environment variable, or in the TOML file that `STENO_CONFIG` names.
#[derive(Clone, Debug, Parser)]
#[command(name = "steno-api", version = steno_settings::VERSION.as_str())]
pub struct Config {
    /// Where the queue is and how long it keeps things.
    #[command(flatten)]
    pub queue: QueueSettings,

    /// Address and port to listen on.
    #[arg(long, env = "STENO_BIND", default_value = "127.0.0.1:8080")]
    pub bind: SocketAddr,

    /// File of API keys, as written by `steno keys add`. Without it, no key is required. Read again at SIGHUP.
    #[arg(long, env = "STENO_API_KEYS_FILE")]
    pub api_keys_file: Option<PathBuf>,

    /// Whether to listen beyond this machine without API keys. Every client can then read and delete every job.
    #[arg(long, env = "STENO_ALLOW_PUBLIC", default_value_t = false, action = clap::ArgAction::Set)]
    pub allow_public: bool,

    /// Names by which the service is called besides its addresses and localhost, separated by commas. Needed only without
    /// API keys.
    #[arg(long, env = "STENO_ALLOWED_HOSTS", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,

    /// Networks of the proxies whose `X-Forwarded-For`, `-Host`, `-Proto` and `-Prefix` are believed, separated by commas.
    #[arg(long, env = "STENO_TRUSTED_PROXIES", value_delimiter = ',', default_value = "127.0.0.0/8,::1",
        value_parser = parse_network)]
    pub trusted_proxies: Vec<IpNet>,

    /// Calls that an API key may make in a second, on average; short bursts may be twice as many [default: no limit].
    #[arg(long, env = "STENO_KEY_REQUESTS_PER_SECOND")]
    pub key_requests_per_second: Option<NonZeroU32>,

    /// Jobs of an API key that may be unfinished at a time [default: no limit].
    #[arg(long, env = "STENO_KEY_MAX_JOBS")]
    pub key_max_jobs: Option<u64>,

    /// Bytes of recordings that the unfinished jobs of an API key may have together [default: no limit].
    #[arg(long, env = "STENO_KEY_MAX_BYTES", value_parser = parse_bytes)]
    pub key_max_bytes: Option<u64>,

    /// Origins whose web pages may call this server, as `https://app.example.com`, separated by commas. Pages of apps
    /// (`app:`, `tauri:`, `capacitor:`, `ionic:`) may without it, and any page that has an API key [default: none].
    #[arg(long, env = "STENO_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<String>,

    /// Whether to serve `/docs` and `/openapi.json`, which need no API key.
    #[arg(long, env = "STENO_DOCS", default_value_t = true, action = clap::ArgAction::Set)]
    pub docs: bool,

    /// Connections that are served at a time; calls on further ones are refused with 503.
    #[arg(long, env = "STENO_MAX_CONNECTIONS", default_value_t = 8192)]
    pub max_connections: usize,

    /// Name of the weights for jobs that name none.
    #[arg(long, env = "STENO_MODEL", default_value = "base")]
    pub model: String,

    /// Further names for weights below `/v1`, as `best=large-v3,fast=base`, separated by commas [default: none].
    #[arg(long, env = "STENO_MODEL_ALIASES", value_delimiter = ',', value_parser = parse_alias)]
    pub model_aliases: Vec<ModelAlias>,

    /// Largest recording in bytes.
    #[arg(long, env = "STENO_MAX_UPLOAD_BYTES", default_value = "2GiB", value_parser = parse_bytes)]
    pub max_upload_bytes: u64,

    /// Jobs that may wait; further ones are refused with 503.
    #[arg(long, env = "STENO_MAX_PENDING_JOBS", default_value_t = 100_000)]
    pub max_pending_jobs: u64,

    /// Longest pause in an upload before it is given up.
    #[arg(long, env = "STENO_UPLOAD_CHUNK_TIMEOUT", default_value = "30s", value_parser = parse_duration)]
    pub upload_chunk_timeout: Duration,

    /// Bytes a second that an upload has to come with on average, after the time of `STENO_UPLOAD_CHUNK_TIMEOUT`; 0 for any.
    #[arg(long, env = "STENO_UPLOAD_MIN_RATE", default_value = "500", value_parser = parse_bytes)]
    pub upload_min_rate: u64,

    /// How long a client may take nothing of what it was sent, or not answer for it, before its connection is ended.
    #[arg(long, env = "STENO_SEND_TIMEOUT", default_value = "60s", value_parser = parse_duration)]
    pub send_timeout: Duration,

    /// How long a connection is kept open for a next call; 0 to end it after each. Proxies before the server should end theirs
    /// sooner.
    #[arg(long, env = "STENO_KEEP_ALIVE", default_value = "75s", value_parser = parse_duration)]
    pub keep_alive: Duration,

    /// Free space on the disk below which uploads are refused with 507.
    #[arg(long, env = "STENO_DISK_RESERVE_BYTES", default_value = "256MiB", value_parser = parse_bytes)]
    pub disk_reserve_bytes: u64,

    /// Time for requests in progress to end after SIGTERM; the others are cut off.
    #[arg(long, env = "STENO_DRAIN_TIMEOUT", default_value = "20s", value_parser = parse_duration)]
    pub drain_timeout: Duration,

    /// What to log and how.
    #[command(flatten)]
    pub log: LogSettings,
}

impl Config {
    /// With what systemd has passed in its folder of credentials (`CREDENTIALS_DIRECTORY`), where nothing else is set.
    #[must_use]
    pub fn with_credentials(mut self, folder: Option<&OsStr>) -> Self {
        let credential = folder.map(|folder| Path::new(folder).join(KEYS_CREDENTIAL));
        self.api_keys_file = self
            .api_keys_file
            .or(credential.filter(|path| path.exists()));
        self
    }

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
        let QueueSettings {
            ttl,
            retrieval_grace,
            lease,
            ..
        } = self.queue;
        StoreSettings {
            ttl,
            retrieval_grace,
            lease,
        }
    }

    /// Every problem with the values, each naming its setting.
    pub fn problems(&self) -> Vec<&'static str> {
        let mut problems = self.queue.problems();
        if self.upload_chunk_timeout.is_zero() {
            problems.push("STENO_UPLOAD_CHUNK_TIMEOUT must be longer than 0");
        }
        if self.send_timeout.is_zero() {
            problems.push("STENO_SEND_TIMEOUT must be longer than 0");
        }
        if self.max_connections == 0 {
            problems.push("STENO_MAX_CONNECTIONS must be more than 0");
        }
        if self.cors_origins.iter().any(|origin| !is_origin(origin)) {
            problems
                .push("STENO_CORS_ORIGINS must be origins, as https://app.example.com or app://name: no path, no *");
        }
        problems.extend(self.problem_of_address(self.bind));
        problems
    }

    /// Why it must not listen at an address.
    pub fn problem_of_address(&self, address: SocketAddr) -> Option<&'static str> {
        let is_open =
            !address.ip().is_loopback() && self.api_keys_file.is_none() && !self.allow_public;
        is_open.then_some(
            "STENO_BIND is an address that others reach, and every client could read and delete every job: set \
             STENO_API_KEYS_FILE (steno keys add NAME), or STENO_ALLOW_PUBLIC=true if that is what you want",
        )
    }
}

/// Whether it is a scheme and a host, as browsers send it: of the web, or of an app (`app://obsidian.md`).
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return false;
    };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
        });
    let is_host = host
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"/?#*@\\".contains(&byte));
    let needs_host = matches!(scheme, "http" | "https");
    is_scheme && is_host && !(needs_host && host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_distinguished_from_page_addresses() {
        for origin in [
            "https://a.example",
            "http://localhost:3000",
            "app://obsidian.md",
            "tauri://localhost",
            "file://",
        ] {
            assert!(is_origin(origin), "{origin}");
        }
        for other in [
            "*",
            "a.example",
            "https://a.example/",
            "https://a.example/page",
            "https://",
            "https://*",
            "null",
        ] {
            assert!(!is_origin(other), "{other}");
        }
    }
}

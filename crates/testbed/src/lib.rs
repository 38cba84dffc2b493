//! Real servers for tests and benchmarks: PostgreSQL, pgbouncer, and S3 storage.
//!
//! Each server has a free port and a temporary folder of its own. It stops when its value is dropped and when the test
//! process ends for any reason, a kill included. Panics where a test cannot continue. No program of Steno depends on this crate.
#![expect(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod cleanup;
mod database;
mod host;
mod moto;
mod pgbouncer;
mod postgres;
mod programs;
mod s3;
mod skip;
mod standby;
mod tls;
mod wait;

use std::net::TcpListener;
use std::time::Duration;

pub use database::Database;
pub use host::Host;
pub use moto::Moto;
pub use pgbouncer::Pgbouncer;
pub use postgres::{Postgres, Setup, Shutdown};
pub use s3::{S3, files_with};
pub use skip::skip;
pub use wait::{wait_until, within};

/// Time limit for a server to start or stop, and for [`wait_until`], on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A port that no program listens on. Another process may take it first, so callers retry.
pub fn free_port() -> u16 {
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    probe.local_addr().unwrap().port()
}

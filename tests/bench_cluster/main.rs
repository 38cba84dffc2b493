//! `make bench-cluster` (minutes): PostgreSQL and S3 on this machine, and what one job costs them.
//!
//! Servers, programs and clients share the processors, so ratios are more reliable than absolute
//! numbers. Arguments choose what is measured: cost, uploads, slots, hosts, status; all without arguments.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot continue fails")]

mod cost;
mod speed;

use steno_e2e::Shared;
use steno_testbed::{S3, Setup};

fn main() {
    let setup = Setup::default()
        .durable()
        .set("shared_preload_libraries", "pg_stat_statements")
        .set("shared_buffers", "256MB");
    let (postgres, s3) = (setup.start(), S3::start_for_hosts());
    let shared = || Shared::on(&postgres, &s3);

    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|own| own == name);

    println!("  {:<62} {:>10}  target", "measure", "value");
    if is_chosen("cost") {
        cost::of_a_job(&shared());
        cost::of_an_idle_process(&shared());
    }
    if is_chosen("uploads") {
        speed::uploads(&shared());
    }
    if is_chosen("slots") {
        speed::slots(&shared);
    }
    if is_chosen("hosts") {
        speed::two_hosts(&shared);
    }
    if is_chosen("status") {
        speed::status_calls(&shared());
    }
}

/// One line of a table: name, value and target.
fn line(measure: &str, value: &str, target: &str) {
    println!("  {measure:<62} {value:>10}  {target}");
}

/// The servers of this benchmark, for which the superuser's statistics are read.
fn statistics(shared: &Shared<'_>) -> postgres::Client {
    let mut client = shared.postgres.connect(&shared.database.name);
    client
        .batch_execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        .unwrap();
    client
}

//! `make bench-cluster` (minutes): PostgreSQL and S3 on this machine, and what one job costs them.
//!
//! Servers, programs and clients share the processors, so ratios are more reliable than absolute
//! numbers.
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

    println!("  {:<62} {:>10}  target", "measure", "value");
    section("Cost of a job");
    cost::of_a_job(&shared());
    cost::of_an_idle_process(&shared());
    section("Speed");
    speed::uploads(&shared());
    speed::slots(&shared);
    speed::two_hosts(&shared);
    speed::status_calls(&shared());
}

fn section(title: &str) {
    println!("\n{title}");
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

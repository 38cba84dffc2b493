//! `make bench-cluster` (minutes): PostgreSQL and S3 on this machine, and what one job costs them.
//!
//! Servers, programs and clients share the processors, so ratios are more reliable than absolute
//! numbers. Arguments choose measures: `cost`, `uploads`, `slots`, `hosts`, `status`. Without arguments, all are taken.
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

    let measures: [(&str, &dyn Fn()); 5] = [
        ("cost", &|| {
            cost::of_a_job(&shared());
            cost::of_an_idle_process(&shared());
        }),
        ("uploads", &|| speed::uploads(&shared())),
        ("slots", &|| speed::slots(&shared)),
        ("hosts", &|| speed::two_hosts(&shared)),
        ("status", &|| speed::status_calls(&shared())),
    ];
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let is_known = |name: &String| measures.iter().any(|(own, _)| own == name);
    if let Some(unknown) = chosen.iter().find(|name| !is_known(name)) {
        let names = measures.map(|(name, _)| name).join(", ");
        eprintln!("there is no measure {unknown}; choose from {names}");
        std::process::exit(2);
    }

    println!("  {:<62} {:>10}  target", "measure", "value");
    for (name, measure) in measures {
        if chosen.is_empty() || chosen.iter().any(|own| own == name) {
            measure();
        }
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

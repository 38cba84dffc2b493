//! `steno jobs`: what the server has.

use clap::Args;
use clap::builder::RangedU64ValueParser;
use steno_models::{JobStatus, Status};

use crate::print;
use crate::progress::duration;
use crate::server::ServerArguments;
use crate::values::Completed;

/// Arguments of `steno jobs`.
#[derive(Args, Debug)]
pub(crate) struct JobsArguments {
    /// Only jobs that stand there: pending, processing, completed or failed.
    #[arg(long, hide_possible_values = true, value_parser = status_parser())]
    status: Option<Status>,
    /// Most jobs to show.
    #[arg(long, default_value = "50", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    limit: usize,
    /// Print the jobs as JSON, one a line, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

fn status_parser() -> Completed<Status> {
    Completed::new(
        parse_status,
        ["pending", "processing", "completed", "failed"],
    )
}

/// A status by its name.
pub(crate) fn parse_status(name: &str) -> Result<Status, String> {
    let unknown = |_| "known are pending, processing, completed, failed".to_owned();
    serde_json::from_value(name.into()).map_err(unknown)
}

/// Lists jobs, newest first.
pub(crate) fn jobs(arguments: &JobsArguments) -> anyhow::Result<()> {
    let jobs = arguments
        .server
        .client()
        .list(arguments.status, arguments.limit)?;
    if arguments.json {
        for job in &jobs {
            print::line(&serde_json::to_string(job)?);
        }
        return Ok(());
    }
    print::line(&format!(
        "{:<36}  {:<10}  {:>8}  {:<20}  {}",
        "JOB", "STATUS", "PROGRESS", "CREATED", "LENGTH"
    ));
    for job in &jobs {
        print::line(&row(job));
    }
    Ok(())
}

fn row(job: &JobStatus) -> String {
    let progress = format!("{:.0} %", job.progress * 100.0);
    let length = job.duration_seconds.map(duration).unwrap_or_default();
    let created = job.created_at.to_string();
    // Milliseconds say nothing here.
    let created = created.split('.').next().unwrap_or_default();
    format!(
        "{}  {:<10}  {progress:>8}  {created:<20}  {length}",
        job.job_id, job.status
    )
    .trim_end()
    .to_owned()
}

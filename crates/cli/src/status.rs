//! `steno status`.

use clap::Args;
use steno_models::{JobId, JobStatus};

use crate::ServerArguments;

/// Arguments of `steno status`.
#[derive(Args, Debug)]
pub(crate) struct StatusArguments {
    /// The job.
    id: JobId,
    /// Print the server's answer as JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// Prints where a job stands.
pub(crate) fn status(arguments: &StatusArguments) -> anyhow::Result<()> {
    let status = arguments.server.client().status(&arguments.id)?;
    if arguments.json {
        println!("{}", serde_json::to_string(&status)?);
    } else {
        println!("{}", table(&status));
    }
    Ok(())
}

fn table(job: &JobStatus) -> String {
    let mut rows = vec![("job", job.job_id.to_string()), ("status", job.status.to_string())];
    rows.extend(job.position.map(|position| ("position", position.to_string())));
    rows.push(("progress", format!("{:.0} %", job.progress * 100.0)));
    rows.extend(job.eta_seconds.map(|seconds| ("time left", format!("about {seconds:.0} s"))));
    rows.extend(job.language.clone().map(|language| ("language", language)));
    rows.extend(job.duration_seconds.map(|seconds| ("duration", format!("{seconds:.1} s"))));
    rows.push(("created", job.created_at.to_string()));
    rows.extend(job.started_at.map(|time| ("started", time.to_string())));
    rows.extend(job.finished_at.map(|time| ("finished", time.to_string())));
    rows.push(("deleted by", job.delete_after.unwrap_or(job.ttl_deadline).to_string()));
    rows.extend(job.error.as_ref().map(|error| ("error", format!("{} ({})", error.message, error.code))));
    let lines: Vec<_> = rows.into_iter().map(|(name, value)| format!("{name:<11}{value}")).collect();
    lines.join("\n")
}

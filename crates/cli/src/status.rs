//! `steno status`.

use clap::Args;
use steno_models::{JobId, JobStatus};

use crate::print;
use crate::progress::duration;
use crate::server::ServerArguments;

/// Arguments of `steno status`.
#[derive(Args, Debug)]
pub(crate) struct StatusArguments {
    /// The jobs.
    #[arg(required = true)]
    ids: Vec<JobId>,
    /// Print the server's answers as JSON, one a line, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// Prints where jobs stand.
pub(crate) fn status(arguments: &StatusArguments) -> anyhow::Result<()> {
    let client = arguments.server.client();
    for (index, id) in arguments.ids.iter().enumerate() {
        let status = client.status(id)?;
        if arguments.json {
            print::line(&serde_json::to_string(&status)?);
        } else {
            print::text_line(&format!(
                "{}{}",
                if index > 0 { "\n" } else { "" },
                table(&status)
            ));
        }
    }
    Ok(())
}

fn table(job: &JobStatus) -> String {
    let mut rows = vec![
        ("job", job.job_id.to_string()),
        ("status", job.status.to_string()),
    ];
    rows.extend(
        job.position
            .map(|position| ("position", position.to_string())),
    );
    rows.push(("progress", format!("{:.0} %", job.progress * 100.0)));
    rows.extend(
        job.eta_seconds
            .map(|seconds| ("time left", format!("about {}", duration(seconds)))),
    );
    rows.extend(job.language.clone().map(|language| ("language", language)));
    rows.extend(
        job.duration_seconds
            .map(|seconds| ("duration", duration(seconds))),
    );
    rows.push(("created", job.created_at.to_string()));
    rows.extend(job.started_at.map(|time| ("started", time.to_string())));
    rows.extend(job.finished_at.map(|time| ("finished", time.to_string())));
    rows.push((
        "deleted by",
        job.delete_after.unwrap_or(job.ttl_deadline).to_string(),
    ));
    rows.extend(
        job.error
            .as_ref()
            .map(|error| ("error", format!("{} ({})", error.message, error.code))),
    );

    let lines: Vec<_> = rows
        .into_iter()
        .map(|(name, value)| format!("{name:<11}{value}"))
        .collect();

    lines.join("\n")
}

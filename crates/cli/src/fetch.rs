//! `steno fetch`, and the end of `steno transcribe`: wait, write the result, acknowledge.

use std::path::Path;

use anyhow::{Context, bail};
use clap::Args;
use steno_models::{JobId, Status};

use crate::ServerArguments;
use crate::client::Client;
use crate::formats::{FormatArguments, Target};
use crate::progress::{Board, Progress};

/// Arguments of `steno fetch`.
#[derive(Args, Debug)]
pub(crate) struct FetchArguments {
    /// The job.
    id: JobId,
    #[command(flatten)]
    format: FormatArguments,
    #[command(flatten)]
    server: ServerArguments,
}

/// Waits for a job, writes its transcript, deletes it.
pub(crate) fn fetch(arguments: &FetchArguments) -> anyhow::Result<()> {
    let name = arguments.id.to_string();
    let targets = arguments.format.targets(&[Path::new(&name)], false)?.remove(0);
    let board = Board::new();
    deliver(&arguments.server.client(), &arguments.id, &targets, &board.add(""), board.is_watched())
}

/// Waits for a job to end, writes its result, and only when that is safe deletes the job.
pub(crate) fn deliver(
    client: &Client,
    job: &JobId,
    targets: &[Target],
    progress: &Progress,
    is_watched: bool,
) -> anyhow::Result<()> {
    let ended = client.wait(job, is_watched, |status| progress.show_status(status))?;
    progress.finish();
    if ended.status == Status::Failed {
        let reason =
            ended.error.map_or_else(|| "no reason given".to_owned(), |e| format!("{} ({})", e.message, e.code));
        // The reason matters more than whether the server keeps the job until its deadline.
        let _ = client.delete(job);
        bail!("the recording could not be transcribed: {reason}");
    }
    for (format, output) in targets {
        let result = client.result(job, *format)?;
        let failed = || format!("cannot write the transcript to {output}; fetch it again: steno fetch {job}");
        output.write(&result).with_context(failed)?;
    }
    Ok(client.delete(job)?)
}

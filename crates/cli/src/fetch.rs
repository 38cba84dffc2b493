//! `steno fetch`, and the end of `steno transcribe`: wait, write the result, acknowledge.

use anyhow::{Context, bail};
use clap::Args;
use steno_models::{Format, JobId, Status};

use crate::ServerArguments;
use crate::client::Client;
use crate::output::Output;
use crate::progress::Progress;

/// Arguments of `steno fetch`.
#[derive(Args, Debug)]
pub(crate) struct FetchArguments {
    /// The job.
    id: JobId,
    /// How to write the transcript: json, `verbose_json`, text, srt or vtt.
    #[arg(long, short, default_value = "text", value_parser = parse_format)]
    format: Format,
    /// File to write to; - is standard output.
    #[arg(long, short, default_value = "-")]
    output: String,
    #[command(flatten)]
    server: ServerArguments,
}

/// Waits for a job, writes its transcript, deletes it.
pub(crate) fn fetch(arguments: &FetchArguments) -> anyhow::Result<()> {
    let output = Output::from_argument(&arguments.output);
    deliver(&arguments.server.client(), &arguments.id, arguments.format, &output, &Progress::hidden_unless_terminal())
}

/// Waits for a job to end, writes its result, and only when that is safe deletes the job.
pub(crate) fn deliver(
    client: &Client,
    job: &JobId,
    format: Format,
    output: &Output,
    progress: &Progress,
) -> anyhow::Result<()> {
    let ended = client.wait(job, |status| progress.show_status(status))?;
    progress.finish();
    if ended.status == Status::Failed {
        let reason =
            ended.error.map_or_else(|| "no reason given".to_owned(), |e| format!("{} ({})", e.message, e.code));
        // The reason matters more than whether the server keeps the job until its deadline.
        let _ = client.delete(job);
        bail!("the recording could not be transcribed: {reason}");
    }
    let result = client.result(job, format)?;
    output.write(&result).with_context(|| format!("cannot write the transcript; fetch it again: steno fetch {job}"))?;
    Ok(client.delete(job)?)
}

/// A format by its name on the wire.
pub(crate) fn parse_format(name: &str) -> Result<Format, String> {
    let known = || Format::ALL.map(Format::as_str).join(", ");
    Format::from_name(name).ok_or_else(|| format!("known are {}", known()))
}

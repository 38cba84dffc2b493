//! `steno fetch`, and the end of `steno transcribe`: wait, write the result, acknowledge.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use steno_models::{JobId, Status, Warning};

use crate::client::Client;
use crate::formats::{FormatArguments, Target, refuse_taken};
use crate::print;
use crate::progress::{Board, Progress};
use crate::server::ServerArguments;

/// Pause between two questions whether a worker is running, while a job waits.
const WORKERS_PAUSE: Duration = Duration::from_secs(10);
/// Time for a worker that was started together with the server to register.
const START_PATIENCE: Duration = Duration::from_secs(3);
/// Pause between two polls meanwhile.
const START_PAUSE: Duration = Duration::from_millis(250);

/// Arguments of `steno fetch`.
#[derive(Args, Debug)]
pub(crate) struct FetchArguments {
    /// The job.
    id: JobId,
    /// Recording to name the transcripts after: they go where `steno transcribe` would have written them.
    #[arg(long, value_name = "RECORDING")]
    beside: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArguments,
    #[command(flatten)]
    server: ServerArguments,
}

/// Waits for a job, writes its transcript, deletes it.
pub(crate) fn fetch(arguments: &FetchArguments) -> anyhow::Result<()> {
    let name = arguments
        .beside
        .clone()
        .unwrap_or_else(|| PathBuf::from(arguments.id.to_string()));
    let targets = arguments
        .format
        .targets(&[&name], arguments.beside.is_some())?
        .remove(0);
    refuse_taken(targets.iter())?;
    let board = Board::new();
    let again = arguments.format.fetch_arguments(&name, &targets);
    let delivery = Delivery {
        client: &arguments.server.client(),
        board: &board,
        targets: &targets,
        again: Some(&arguments.server.fetch_command(&arguments.id, &again)),
    };
    let warnings = delivery.deliver(&arguments.id, &board.add(""))?;

    if let Some(written) = written(&targets) {
        board.say(&format!("wrote {written}"));
    }
    for warning in warnings {
        board.say(&describe(&warning));
    }
    Ok(())
}

/// A warning as a line for people.
pub(crate) fn describe(warning: &Warning) -> String {
    let place = match (warning.start, warning.end) {
        (Some(start), Some(end)) => format!(", from {} to {}", clock(start), clock(end)),
        _ => String::new(),
    };
    format!(
        "warning: {}{place} ({})",
        warning.detail,
        warning.code.as_str()
    )
}

/// Minutes and seconds from the start of the recording, as players show them.
fn clock(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// The files among the targets, for people.
pub(crate) fn written(targets: &[Target]) -> Option<String> {
    let files: Vec<_> = targets
        .iter()
        .filter_map(|(_, output)| output.path())
        .collect();
    let names: Vec<_> = files.into_iter().map(print::name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// How a job's transcripts get to their places.
pub(crate) struct Delivery<'a> {
    pub(crate) client: &'a Client,
    pub(crate) board: &'a Board,
    pub(crate) targets: &'a [Target],
    /// The command that does the same again. `None` if the server is a local one, which ends with
    /// this program.
    pub(crate) again: Option<&'a str>,
}

impl Delivery<'_> {
    /// Waits for a job to end, writes its result, and only when that is safe deletes the job. Returns the warnings in its
    /// result.
    pub(crate) fn deliver(&self, job: &JobId, progress: &Progress) -> anyhow::Result<Vec<Warning>> {
        let mut asked_at = None::<Instant>;
        let ended = self.client.wait(job, self.board.is_watched(), |status| {
            progress.show_status(status);
            let is_due = asked_at.is_none_or(|at| at.elapsed() >= WORKERS_PAUSE);
            let has_own_worker = self.again.is_none();
            if status.status == Status::Pending && is_due && !has_own_worker {
                asked_at = Some(Instant::now());
                self.warn_without_workers();
            }
        })?;
        progress.finish();

        if ended.status == Status::Failed {
            let reason = ended.error.map_or_else(
                || "no reason given".to_owned(),
                |error| format!("{} ({})", error.message, error.code),
            );
            // The reason matters more than whether the server keeps the job until its deadline.
            let _ = self.client.delete(job);
            bail!("the recording could not be transcribed: {reason}");
        }

        for (format, output) in self.targets {
            let result = self.client.result(job, *format)?;
            let failed = || match self.again {
                Some(again) => {
                    format!("cannot write the transcript to {output}; fetch it again: {again}")
                }
                None => format!("cannot write the transcript to {output}"),
            };
            output.write(&result).with_context(failed)?;
        }

        self.client.delete(job)?;
        Ok(ended
            .result
            .map(|result| result.warnings)
            .unwrap_or_default())
    }

    fn warn_without_workers(&self) {
        let began = Instant::now();
        while self.client.has_workers() == Some(false) {
            if began.elapsed() >= START_PATIENCE {
                self.board.say_once(
                    "no worker is running: jobs wait until one starts (`steno up`, or the service steno-worker)",
                );
                return;
            }
            thread::sleep(START_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use steno_models::WarningCode;

    use super::*;

    #[test]
    fn a_warning_is_one_line_with_its_place_and_code() {
        let gap = Warning::at(
            WarningCode::SpeechNotTranscribed,
            "5.0 s of speech have no text",
            63.2,
            3668.9,
        );
        assert_eq!(
            describe(&gap),
            "warning: 5.0 s of speech have no text, from 1:03 to 1:01:08 (speech_not_transcribed)"
        );

        let whole = Warning::new(WarningCode::Truncated, "the file is cut off");
        assert_eq!(describe(&whole), "warning: the file is cut off (truncated)");
    }
}

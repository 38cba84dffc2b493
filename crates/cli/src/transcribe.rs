//! `steno transcribe`: from files to transcripts through a running server.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use steno_models::Format;

use crate::client::{CallError, Client};
use crate::fetch::{deliver, parse_format};
use crate::output::Output;
use crate::progress::Progress;
use crate::{ServerArguments, exit_code};

/// Arguments of `steno transcribe`.
#[derive(Args, Debug)]
pub(crate) struct TranscribeArguments {
    /// Recordings.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// How to write the transcripts: json, `verbose_json`, text, srt or vtt.
    #[arg(long, short, default_value = "text", value_parser = parse_format)]
    format: Format,
    /// File or folder to write to; - is standard output. Default: standard output for one recording, files beside the recordings
    /// for several.
    #[arg(long, short)]
    output: Option<String>,
    /// Language spoken, as en; found out by itself if not given.
    #[arg(long)]
    language: Option<String>,
    /// Write down what is said, or translate it into English.
    #[arg(long)]
    task: Option<TaskArgument>,
    /// Name of the weights; the server's default if not given.
    #[arg(long)]
    model: Option<String>,
    /// Text that sets style and spelling.
    #[arg(long)]
    prompt: Option<String>,
    /// Sampling temperature to begin with, 0 to 1.
    #[arg(long)]
    temperature: Option<f32>,
    /// Beams of the search, 1 to 8.
    #[arg(long)]
    beam_size: Option<u8>,
    /// Higher goes first, -10 to 10.
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i8>,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TaskArgument {
    Transcribe,
    Translate,
}

impl TranscribeArguments {
    /// The options that were given, as the server takes them.
    fn options(&self) -> Vec<(&'static str, String)> {
        let task = self.task.map(|task| match task {
            TaskArgument::Transcribe => "transcribe".to_owned(),
            TaskArgument::Translate => "translate".to_owned(),
        });
        [
            ("language", self.language.clone()),
            ("task", task),
            ("model", self.model.clone()),
            ("prompt", self.prompt.clone()),
            ("temperature", self.temperature.map(|number| number.to_string())),
            ("beam_size", self.beam_size.map(|number| number.to_string())),
            ("priority", self.priority.map(|number| number.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// Transcribes one recording after the other. One that fails does not stop the others.
pub(crate) fn transcribe(arguments: &TranscribeArguments) -> anyhow::Result<()> {
    let client = arguments.server.client();
    let mut failed = 0;
    for file in &arguments.files {
        let Err(error) = transcribe_file(&client, file, arguments) else { continue };
        let error = error.context(file.display().to_string());
        if arguments.files.len() == 1 || exit_code(&error) == 3 && is_unreachable(&error) {
            return Err(error);
        }
        eprintln!("steno: {error:#}");
        failed += 1;
    }
    if failed > 0 {
        bail!("{failed} of {} recordings were not transcribed", arguments.files.len());
    }
    Ok(())
}

fn transcribe_file(client: &Client, file: &Path, arguments: &TranscribeArguments) -> anyhow::Result<()> {
    let progress = Progress::hidden_unless_terminal();
    let length = file.metadata().context("cannot read the recording")?.len();
    let open = || Ok(progress.upload(File::open(file)?, length));
    let accepted = client.submit(&arguments.options(), length, open)?;
    let job = accepted.job_id;
    eprintln!("{}: job {job}", file.display());
    let output = Output::choose(arguments.output.as_deref(), file, arguments.files.len(), arguments.format);
    deliver(client, &job, arguments.format, &output, &progress)
}

/// Whether the next recording would fare no better.
fn is_unreachable(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(CallError::Unreachable(_) | CallError::Foreign(_)))
}

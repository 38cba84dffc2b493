//! `steno transcribe`: from files to transcripts through a running server.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, ValueEnum};
use steno_models::{Format, OptionFields};

use crate::client::{CallError, Client};
use crate::fetch::{deliver, parse_format};
use crate::output::{Output, folder_of};
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
    #[arg(id = "model_wanted", long = "model")]
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
    check_options(arguments);
    let outputs = outputs(arguments)?;
    let client = arguments.server.client();
    let mut failed = 0;
    for (file, output) in arguments.files.iter().zip(&outputs) {
        let Err(error) = transcribe_file(&client, file, output, arguments) else { continue };
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

/// Ends the program if the server would refuse the options: before an upload, not after it.
fn check_options(arguments: &TranscribeArguments) {
    let mut fields = OptionFields::default();
    arguments.options().iter().for_each(|(name, value)| fields.set(name, value));
    if let Err(problems) = fields.finish() {
        let lines: Vec<_> = problems
            .iter()
            .map(|problem| format!("{}: {}", problem.pointer.trim_start_matches('/'), problem.detail))
            .collect();
        crate::Cli::command().error(ErrorKind::InvalidValue, lines.join("; ")).exit();
    }
}

/// Where each transcript goes; no two to the same place.
fn outputs(arguments: &TranscribeArguments) -> anyhow::Result<Vec<Output>> {
    let count = arguments.files.len();
    if let Some(output) = arguments.output.as_deref().filter(|output| count > 1 && !Path::new(output).is_dir()) {
        bail!("{count} transcripts cannot all go to {output}; name a folder that exists with --output");
    }
    let recordings: Vec<_> = arguments.files.iter().filter_map(|file| file.canonicalize().ok()).collect();
    let mut taken = Vec::with_capacity(count);
    let mut outputs: Vec<Output> = Vec::with_capacity(count);
    for file in &arguments.files {
        let output = Output::choose(arguments.output.as_deref(), file, count, arguments.format);
        if let Output::File(path) = &output {
            let place = place(path).with_context(|| format!("there is no folder to write {output} to"))?;
            if recordings.contains(&place) {
                bail!("the transcript would replace the recording {output}; name another place with --output");
            }
            if taken.contains(&place) {
                bail!(
                    "the transcripts of two recordings would both be {output}; transcribe them one by one with --output"
                );
            }
            taken.push(place);
        }
        outputs.push(output);
    }
    Ok(outputs)
}

/// The one spelling of a path whose file need not exist, so that `a.txt` and `./a.txt` are the same.
fn place(path: &Path) -> io::Result<PathBuf> {
    let folder = || Ok(folder_of(path).canonicalize()?.join(path.file_name().unwrap_or_default()));
    path.canonicalize().or_else(|_| folder())
}

fn transcribe_file(
    client: &Client,
    file: &Path,
    output: &Output,
    arguments: &TranscribeArguments,
) -> anyhow::Result<()> {
    let progress = Progress::hidden_unless_terminal();
    let metadata = file.metadata().context("cannot read the recording")?;
    if !metadata.is_file() {
        bail!("cannot read the recording: it is no regular file");
    }
    let length = metadata.len();
    let problem = RefCell::new(None);
    let open = || Ok(progress.upload(WholeFile { file: File::open(file)?, left: length, problem: &problem }, length));
    let submitted = client.submit(&arguments.options(), length, open);
    // Otherwise it would look as if the server had gone away.
    if let Some(problem) = problem.take() {
        progress.finish();
        bail!("cannot read the recording: {problem}");
    }
    let accepted = submitted?;
    let job = accepted.job_id;
    eprintln!("{}: job {job}", file.display());
    deliver(client, &job, arguments.format, output, &progress)
}

/// A file that must not end before the length that was announced for it.
struct WholeFile<'a> {
    file: File,
    left: u64,
    /// Why it could not be read to its end.
    problem: &'a RefCell<Option<String>>,
}

impl Read for WholeFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = (&mut self.file).take(self.left).read(buffer).inspect_err(|error| {
            self.problem.replace(Some(error.to_string()));
        })?;
        if length == 0 && self.left > 0 && !buffer.is_empty() {
            let problem = "the recording became shorter while it was sent";
            self.problem.replace(Some(problem.to_owned()));
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
        }
        self.left -= length as u64;
        Ok(length)
    }
}

/// Whether the next recording would fare no better.
fn is_unreachable(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(CallError::Unreachable(_) | CallError::Foreign(_)))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn arguments(words: &[&str]) -> TranscribeArguments {
        let words = ["steno", "transcribe"].iter().chain(words);
        match crate::Cli::try_parse_from(words).unwrap().command {
            crate::Command::Transcribe(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_two_transcripts_go_to_the_same_place() {
        assert!(outputs(&arguments(&["talk.opus", "talk.wav"])).is_err());
        assert!(outputs(&arguments(&["a.wav", "b.wav", "-o", "all.txt"])).is_err());
        assert!(outputs(&arguments(&["a.wav", "b.wav", "-o", "-"])).is_err());
        assert_eq!(outputs(&arguments(&["a.wav", "b.wav"])).unwrap().len(), 2);
    }

    #[test]
    fn what_would_destroy_something_is_refused_before_the_upload() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("talk.wav"), "recording").unwrap();
        std::fs::write(path("talk.txt"), "recording").unwrap();
        let check = |words: &[&str]| outputs(&arguments(words)).unwrap_err().to_string();
        assert!(check(&[&path("talk.wav"), "-o", &path("./talk.wav")]).contains("replace the recording"));
        assert!(check(&[&path("talk.txt"), &path("other.wav")]).contains("replace the recording"));
        assert!(check(&[&path("a.wav"), &path("./a.opus")]).contains("would both be"));
        assert!(check(&[&path("a.wav"), "-o", &path("no/folder/a.txt")]).contains("no folder"));
    }

    #[test]
    fn a_recording_that_shrinks_is_an_error_and_one_that_grows_is_cut() {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), b"12345").unwrap();
        let read = |left| {
            let mut bytes = Vec::new();
            let problem = RefCell::new(None);
            let mut file = WholeFile { file: File::open(path.path()).unwrap(), left, problem: &problem };
            let outcome = file.read_to_end(&mut bytes).map(|_| bytes);
            assert_eq!(outcome.is_err(), problem.borrow().is_some());
            outcome
        };
        assert_eq!(read(5).unwrap(), b"12345");
        assert_eq!(read(4).unwrap(), b"1234");
        assert_eq!(read(6).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}

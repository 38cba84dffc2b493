//! `steno transcribe`: from recordings to transcripts through a running server.

mod watch;

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use anyhow::bail;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, ValueEnum};
use serde_json::json;
use steno_models::{JobId, OptionFields, Warning};

use crate::client::{CallError, Client};
use crate::fetch::{deliver, describe};
use crate::formats::{FormatArguments, Target};
use crate::interrupt::Unfinished;
use crate::progress::Board;
use crate::recordings::{self, Recording};
use crate::{ServerArguments, exit_code, print};

/// Arguments of `steno transcribe`.
#[derive(Args, Debug)]
pub(crate) struct TranscribeArguments {
    /// Recordings: files, folders, patterns such as 'talks/*.mp3'; - is standard input.
    #[arg(required_unless_present = "watch")]
    recordings: Vec<PathBuf>,
    /// Transcribe what is in this folder and what comes into it, until Ctrl-C; transcripts go beside the recordings.
    #[arg(long, value_name = "FOLDER", conflicts_with = "recordings")]
    watch: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArguments,
    #[command(flatten)]
    options: OptionArguments,
    /// Recordings that are uploaded and waited for at a time.
    #[arg(long, short, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,
    /// Print a line of JSON for each recording, for programs; transcripts go to files.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// What to ask of the server.
#[derive(Args, Debug)]
struct OptionArguments {
    /// Language spoken, as en; found out by itself if not given.
    #[arg(long)]
    language: Option<String>,
    /// Languages that may be spoken, as en,es; any if not given.
    #[arg(long, value_name = "LANGUAGES", conflicts_with = "language")]
    languages: Option<String>,
    /// Write down what is said, or translate it into English.
    #[arg(long)]
    task: Option<TaskArgument>,
    /// The same as --task translate.
    #[arg(long, conflicts_with = "task")]
    translate: bool,
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
    /// Tell when each word is spoken (in json and `verbose_json`).
    #[arg(long)]
    words: bool,
    /// Columns of a line of subtitles, 8 to 200.
    #[arg(long)]
    max_line_width: Option<u16>,
    /// Lines of a subtitle, 1 to 10.
    #[arg(long, requires = "max_line_width")]
    max_line_count: Option<u8>,
    /// Higher goes first, -10 to 10.
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i8>,
    /// Audio track of the recording, counted from 1; the default one, or the first with sound, if not given.
    #[arg(long)]
    track: Option<u16>,
    /// A JSON object to keep with the job.
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TaskArgument {
    Transcribe,
    Translate,
}

impl OptionArguments {
    /// The options that were given, as the server takes them.
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let task = match self.task {
            Some(TaskArgument::Transcribe) => Some("transcribe".to_owned()),
            Some(TaskArgument::Translate) => Some("translate".to_owned()),
            None => self.translate.then(|| "translate".to_owned()),
        };
        [
            ("language", self.language.clone()),
            ("languages", self.languages.clone()),
            ("task", task),
            ("model", self.model.clone()),
            ("prompt", self.prompt.clone()),
            ("temperature", self.temperature.map(|number| number.to_string())),
            ("beam_size", self.beam_size.map(|number| number.to_string())),
            ("word_timestamps", self.words.then(|| "true".to_owned())),
            ("max_line_width", self.max_line_width.map(|number| number.to_string())),
            ("max_line_count", self.max_line_count.map(|number| number.to_string())),
            ("priority", self.priority.map(|number| number.to_string())),
            ("track", self.track.map(|number| number.to_string())),
            ("metadata", self.metadata.clone()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// Ends the program if the server would refuse the options: before an upload, not after it.
    fn check(&self) {
        let mut fields = OptionFields::default();
        self.pairs().iter().for_each(|(name, value)| fields.set(name, value));
        if let Err(problems) = fields.finish() {
            let lines: Vec<_> = problems
                .iter()
                .map(|problem| format!("{}: {}", problem.pointer.trim_start_matches('/'), problem.detail))
                .collect();
            crate::Cli::command().error(ErrorKind::InvalidValue, lines.join("; ")).exit();
        }
    }
}

/// Transcribes recordings, several at a time. One that fails does not stop the others.
pub(crate) fn transcribe(arguments: &TranscribeArguments) -> anyhow::Result<()> {
    arguments.options.check();
    let runner = Runner {
        client: arguments.server.client(),
        options: arguments.options.pairs(),
        board: Board::new(),
        unfinished: Unfinished::watch()?,
        json: arguments.json,
        at_a_time: usize::from(arguments.jobs),
    };
    if let Some(folder) = &arguments.watch {
        return watch::watch(&runner, folder, &arguments.format);
    }
    let recordings = recordings::find(&arguments.recordings)?;
    let paths: Vec<_> = recordings.iter().map(|recording| recording.path.as_path()).collect();
    let targets = arguments.format.targets(&paths, arguments.json)?;
    let count = recordings.len();
    let mut failures = runner.run(recordings.into_iter().zip(targets).collect());
    match failures.len() {
        0 => Ok(()),
        // The only one, or one that tells why all failed.
        1 if count == 1 => Err(failures.remove(0)),
        _ if failures.iter().all(is_unreachable) => Err(failures.remove(0)),
        failed => bail!("{failed} of {count} recordings were not transcribed"),
    }
}

/// What is the same for all recordings of a command.
struct Runner {
    client: Client,
    options: Vec<(&'static str, String)>,
    board: Board,
    unfinished: Unfinished,
    json: bool,
    at_a_time: usize,
}

impl Runner {
    /// Transcribes recordings; yields what went wrong, which has been told if there was more than one.
    fn run(&self, work: Vec<(Recording, Vec<Target>)>) -> Vec<anyhow::Error> {
        let is_single = work.len() == 1;
        let threads = self.at_a_time.min(work.len());
        let queue = Mutex::new(work.into_iter());
        let failures = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((recording, targets)) = next else { break };
                        let Err(error) = self.run_one(&recording, &targets) else { continue };
                        let error = error.context(recording.path.display().to_string());
                        if !is_single {
                            self.board.say(&format!("steno: {error:#}"));
                        }
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(error);
                    }
                });
            }
        });
        failures.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn run_one(&self, recording: &Recording, targets: &[Target]) -> anyhow::Result<()> {
        let mut job = None;
        let outcome = self.transcribe(recording, targets, &mut job);
        for warning in outcome.as_ref().into_iter().flatten() {
            self.board.say(&format!("{}: {}", recording.path.display(), describe(warning)));
        }

        if self.json {
            let files: Vec<_> = targets.iter().filter_map(|(_, output)| output.path()).collect();
            print::line(
                &json!({
                    "file": recording.path,
                    "job_id": job,
                    "status": if outcome.is_ok() { "completed" } else { "failed" },
                    "outputs": if outcome.is_ok() { files } else { Vec::new() },
                    "warnings": outcome.as_ref().map_or(&[][..], Vec::as_slice),
                    "error": outcome.as_ref().err().map(|error| format!("{error:#}")),
                })
                .to_string(),
            );
        }
        outcome.map(drop)
    }

    /// Submits a recording and writes its transcripts. Returns the warnings in its result.
    fn transcribe(
        &self,
        recording: &Recording,
        targets: &[Target],
        job: &mut Option<JobId>,
    ) -> anyhow::Result<Vec<Warning>> {
        let name = recording.path.display().to_string();
        let progress = self.board.add(&name);
        let (_, length) = recording.open().map_err(|error| anyhow::anyhow!("cannot read the recording: {error}"))?;
        let problem = RefCell::new(None);
        let open = || {
            let (file, _) = recording.open()?;
            Ok(progress.upload(WholeFile { file, left: length, problem: &problem }, length))
        };
        let submitted = self.client.submit(&self.options, length, open);
        // Otherwise it would look as if the server had gone away.
        if let Some(problem) = problem.take() {
            progress.finish();
            bail!("cannot read the recording: {problem}");
        }
        let id = submitted?.job_id;
        *job = Some(id);
        self.unfinished.begin(id, &name);
        self.board.say(&format!("{name}: job {id}"));
        let delivered = deliver(&self.client, &id, targets, &progress, self.board.is_watched());
        progress.finish();
        self.unfinished.end(&id);
        delivered
    }
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

/// Whether no recording would fare better.
fn is_unreachable(error: &anyhow::Error) -> bool {
    exit_code(error) == 3 && matches!(error.downcast_ref(), Some(CallError::Unreachable(_) | CallError::Foreign(_)))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn arguments(words: &[&str]) -> Result<TranscribeArguments, clap::Error> {
        let words = ["steno", "transcribe"].iter().chain(words);
        match crate::Cli::try_parse_from(words)?.command {
            crate::Command::Transcribe(arguments) => Ok(*arguments),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_are_those_of_the_server() {
        let words =
            ["a.wav", "--translate", "--words", "--max-line-width", "42", "--max-line-count", "2", "-f", "srt,vtt"];
        let arguments = arguments(&words).unwrap();
        let pairs = arguments.options.pairs();
        let names: Vec<_> = pairs.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["task", "word_timestamps", "max_line_width", "max_line_count"]);
        assert_eq!(arguments.format.formats.len(), 2);
        let mut fields = OptionFields::default();
        for (name, value) in pairs {
            fields.set(name, &value);
        }
        assert!(fields.finish().is_ok());
    }

    #[test]
    fn arguments_that_contradict_each_other_are_refused() {
        for words in [
            &[][..],
            &["a.wav", "--translate", "--task", "transcribe"],
            &["a.wav", "--watch", "folder"],
            &["a.wav", "--max-line-count", "2"],
            &["a.wav", "--format", "docx"],
            &["a.wav", "--jobs", "0"],
        ] {
            assert!(arguments(words).is_err(), "{words:?}");
        }
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

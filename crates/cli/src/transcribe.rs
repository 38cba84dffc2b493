//! `steno transcribe`: from recordings to transcripts, through a running server or a local one.

mod known_speaker;
mod options;
mod watch;
mod whole_file;

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::bail;
use clap::Args;
use serde_json::json;
use steno_models::{Format, JobAccepted, JobId, Warning};

use self::options::OptionArguments;
use self::whole_file::WholeFile;
use crate::client::{CallError, Client};
use crate::fetch::{Delivery, describe, written};
use crate::formats::{FormatArguments, Target, refuse_taken};
use crate::interrupt::Unfinished;
use crate::local::LocalServer;
use crate::print;
use crate::progress::{Board, Progress};
use crate::recordings::{self, Recording};
use crate::server::ServerArguments;

/// Arguments of `steno transcribe`.
#[derive(Args, Debug)]
pub(crate) struct TranscribeArguments {
    /// Recordings: files, folders, patterns such as 'talks/*.mp3', addresses that the server fetches; - is standard input.
    #[arg(required_unless_present = "watch")]
    recordings: Vec<PathBuf>,
    /// Transcribe what is in this folder and what comes into it, until Ctrl-C; transcripts go beside the recordings.
    #[arg(long, value_name = "FOLDER", conflicts_with = "recordings")]
    watch: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArguments,
    /// Leave out transcripts that are there already, whatever they are and however old.
    #[arg(long, conflicts_with_all = ["force", "watch"])]
    skip_existing: bool,
    #[command(flatten)]
    options: OptionArguments,
    /// Recordings that are uploaded and waited for at a time.
    #[arg(long, short, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,
    /// Print a line of JSON for each recording, for programs; transcripts go to files.
    #[arg(long)]
    json: bool,
    /// Transcribe on this machine without a server, also if one is running. It is the default if no
    /// server is named and none listens at `http://127.0.0.1:8080`.
    #[arg(long)]
    local: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// The options of the jobs. Subtitles are timed by their words, so the server is asked for words.
fn options(arguments: &TranscribeArguments) -> Vec<(&'static str, String)> {
    let mut options = arguments.options.pairs();
    let formats = &arguments.format.formats;
    let has_subtitles = formats
        .iter()
        .any(|format| matches!(format, Format::Srt | Format::Vtt));
    let names_words = options.iter().any(|(name, _)| *name == "word_timestamps");
    if has_subtitles && !names_words {
        options.push(("word_timestamps", "true".to_owned()));
    }
    options
}

/// Transcribes recordings, several at a time. One that fails does not stop the others.
pub(crate) fn transcribe(arguments: &TranscribeArguments) -> anyhow::Result<()> {
    arguments.options.check();
    let board = Board::new();
    let work = match arguments.watch {
        Some(_) => None,
        None => Some(find_work(arguments, &board)?),
    };
    if work.as_ref().is_some_and(Vec::is_empty) {
        return Ok(());
    }

    let is_local = arguments.local || arguments.server.is_absent();
    let has_address = |(recording, _): &(Recording, _)| recording.url.is_some();
    if is_local && work.iter().flatten().any(has_address) {
        bail!(
            "only a server fetches a recording from its address: start one with steno up, or name it with --url"
        );
    }
    let local = if is_local {
        Some(Arc::new(LocalServer::start(arguments.options.model())?))
    } else {
        None
    };
    let runner = Runner {
        client: match &local {
            Some(local) => local.client(),
            None => arguments.server.client(),
        },
        unfinished: match &local {
            Some(local) => Unfinished::watch_local(Arc::clone(local))?,
            None => Unfinished::watch()?,
        },
        is_local: local.is_some(),
        options: options(arguments),
        board,
        json: arguments.json,
        format: &arguments.format,
        server: &arguments.server,
        at_a_time: usize::from(arguments.jobs),
    };
    let outcome = match (&arguments.watch, work) {
        (Some(folder), _) => watch::watch(&runner, folder),
        (None, work) => runner.run_all(work.unwrap_or_default()),
    };

    if let Some(local) = local {
        local.stop();
    }
    outcome
}

/// The recordings of a command with the places of their transcripts. Empty if every transcript is
/// there already.
fn find_work(
    arguments: &TranscribeArguments,
    board: &Board,
) -> anyhow::Result<Vec<(Recording, Vec<Target>)>> {
    let recordings = recordings::find(&arguments.recordings)?;
    let paths: Vec<_> = recordings
        .iter()
        .map(|recording| recording.path.as_path())
        .collect();
    let targets = arguments.format.targets(&paths, arguments.json)?;
    let mut work: Vec<_> = recordings.into_iter().zip(targets).collect();
    if arguments.skip_existing {
        work.retain_mut(|(recording, targets)| {
            leave_existing(recording, targets, board, arguments.json)
        });
    }

    refuse_taken(work.iter().flat_map(|(_, targets)| targets))?;
    Ok(work)
}

/// Leaves out the transcripts that exist. Returns whether any is left to write, and reports a
/// recording without any.
fn leave_existing(
    recording: &Recording,
    targets: &mut Vec<Target>,
    board: &Board,
    json: bool,
) -> bool {
    let shown = written(targets).unwrap_or_default();
    targets.retain(|(_, output)| output.path().is_none_or(|path| !path.exists()));
    if !targets.is_empty() {
        return true;
    }

    board.say(&format!(
        "{}: skipped, there is {shown}",
        print::name(&recording.path)
    ));
    if json {
        print_outcome(recording, None, "skipped", &[], &Ok(Vec::new()));
    }
    false
}

/// What is the same for all recordings of a command.
struct Runner<'a> {
    client: Client,
    options: Vec<(&'static str, String)>,
    board: Board,
    unfinished: Unfinished,
    /// Whether the server is one of this process, whose jobs end with it.
    is_local: bool,
    json: bool,
    format: &'a FormatArguments,
    server: &'a ServerArguments,
    at_a_time: usize,
}

impl Runner<'_> {
    /// Transcribes recordings and sums up what went wrong.
    fn run_all(&self, work: Vec<(Recording, Vec<Target>)>) -> anyhow::Result<()> {
        let count = work.len();
        let mut failures = self.run(work);
        match failures.len() {
            0 => Ok(()),
            1 if count == 1 => Err(failures.remove(0)),
            // All failed for the same reason.
            _ if failures.iter().all(concerns_all) => Err(failures.remove(0)),
            failed => bail!("{failed} of {count} recordings were not transcribed"),
        }
    }

    /// Reports a recording that is not sent.
    fn refuse(&self, recording: &Recording, error: anyhow::Error) {
        self.board.say(&format!("steno: {error:#}"));
        if self.json {
            print_outcome(recording, None, "failed", &[], &Err(error));
        }
    }

    /// Transcribes recordings. Returns the failure, which is already reported if there was more than one recording.
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
                        let Some((recording, targets)) = next else {
                            break;
                        };
                        let Err(error) = self.run_one(&recording, &targets) else {
                            continue;
                        };
                        let error = error.context(print::name(&recording.path));
                        if !is_single {
                            self.board.say(&format!("steno: {error:#}"));
                        }
                        failures
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(error);
                    }
                });
            }
        });

        failures
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn run_one(&self, recording: &Recording, targets: &[Target]) -> anyhow::Result<()> {
        let mut job = None;
        let outcome = self.transcribe(recording, targets, &mut job);
        for warning in outcome.as_ref().into_iter().flatten() {
            self.board.say(&format!(
                "{}: {}",
                print::name(&recording.path),
                describe(warning)
            ));
        }

        if self.json {
            let status = if outcome.is_ok() {
                "completed"
            } else {
                "failed"
            };
            let targets = if outcome.is_ok() { targets } else { &[] };
            print_outcome(recording, job, status, targets, &outcome);
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
        let name = print::name(&recording.path);
        let progress = self.board.add(&name);
        let submitted = match &recording.url {
            Some(url) => self.client.submit_url(&self.options, url),
            None => self.upload(recording, &progress),
        };
        let id = submitted.inspect_err(|_| progress.finish())?.job_id;
        *job = Some(id);

        let again = self
            .server
            .fetch_command(&id, &self.format.fetch_arguments(&recording.path, targets));
        self.unfinished.begin(id, &name, &again);
        self.board.say(&format!("{name}: job {id}"));
        let delivery = Delivery {
            client: &self.client,
            board: &self.board,
            targets,
            again: (!self.is_local).then_some(again.as_str()),
        };
        let delivered = delivery.deliver(&id, &progress);
        progress.finish();
        self.unfinished.end(&id);

        if let Some(written) = written(targets).filter(|_| delivered.is_ok()) {
            self.board.say(&format!("{name}: wrote {written}"));
        }
        delivered
    }

    fn upload(&self, recording: &Recording, progress: &Progress) -> anyhow::Result<JobAccepted> {
        let (_, length) = recording
            .open()
            .map_err(|error| anyhow::anyhow!("cannot read the recording: {error}"))?;
        let problem = RefCell::new(None);
        let open = || {
            let (file, _) = recording.open()?;
            Ok(progress.upload(
                WholeFile {
                    file,
                    left: length,
                    problem: &problem,
                },
                length,
            ))
        };
        let submitted = self.client.submit(&self.options, length, open);
        // Otherwise it would look as if the server had gone away.
        if let Some(problem) = problem.take() {
            bail!("cannot read the recording: {problem}");
        }
        submitted
    }
}

/// Prints what came of a recording, for programs.
fn print_outcome(
    recording: &Recording,
    job: Option<JobId>,
    status: &str,
    written: &[Target],
    outcome: &anyhow::Result<Vec<Warning>>,
) {
    let files: Vec<_> = written
        .iter()
        .filter_map(|(_, output)| output.path())
        .collect();
    let line = json!({
        "file": recording.path,
        "job_id": job,
        "status": status,
        "outputs": files,
        "warnings": outcome.as_ref().map_or(&[][..], Vec::as_slice),
        "error": outcome.as_ref().err().map(|error| format!("{error:#}")),
    });
    print::line(&line.to_string());
}

/// Whether every other recording would fail in the same way.
fn concerns_all(error: &anyhow::Error) -> bool {
    error
        .downcast_ref()
        .is_some_and(CallError::concerns_all_calls)
}

#[cfg(test)]
mod tests;

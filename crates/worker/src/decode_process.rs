//! Decoding in a process of its own: whatever a recording does to a decoder, it does to that process alone.
//!
//! [`decode_apart`] is [`audio::prepare`](crate::audio::prepare) in a process of its own. It starts this program again, which finds
//! out in [`run_if_asked`] what it is for, sandboxes itself, and answers over a pipe. The answer is checked: the process may be
//! compromised. What it cannot decode goes to ffmpeg, where there is one. Called by the task code. Never sees the store.

mod child;
mod ffmpeg;
mod oom;
mod sandbox;
mod wire;

use std::io::{self, PipeReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::thread;
use std::time::{Duration, Instant};

use crate::Control;
use crate::audio::{AudioError, Limits, Recording, Selection, samples_of};
pub use child::run_if_asked;
use ffmpeg::Ffmpeg;
pub(crate) use oom::MemoryKills;
use oom::OomKills;
use wire::{Answers, Message, Order, Received, shortened};

/// The first argument of a process that is to decode.
const ARGUMENT: &str = "--decode";
/// Lines of its standard error that are logged.
const MAX_WORDS: usize = 20;
/// How long a process may take to end once it has closed its pipe.
const LONGEST_END: Duration = Duration::from_secs(2);
/// Pause between two checks for its end.
const END_TICK: Duration = Duration::from_millis(10);

/// What a process that decodes may use.
#[derive(Clone, Debug)]
pub(crate) struct DecodeSettings {
    /// The ffmpeg to ask for what cannot be decoded without it.
    pub(crate) ffmpeg: Option<PathBuf>,
    /// Bounds on what the file expands to.
    pub(crate) limits: Limits,
    /// Address space, in bytes.
    pub(crate) memory_bytes: u64,
    /// Longest time without a sign of life.
    pub(crate) stall_timeout: Duration,
    /// Free space on the disk that the decoded recording has to leave.
    pub(crate) disk_reserve_bytes: u64,
}

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    /// What the decoder says about the file.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The process could not be started or waited for.
    #[error("cannot run a process to decode in: {0}")]
    Process(#[source] io::Error),
    /// It ended without an answer: killed, aborted, or over its memory limit.
    #[error("the process that decodes ended without an answer ({0})")]
    Died(ExitStatus),
    /// The kernel killed it because the machine or the unit ran out of memory.
    #[error("the kernel killed the process that decodes: out of memory")]
    OutOfMemory(ExitStatus),
    /// It was ended because it gave no sign of life, or no answer for far too long.
    #[error("the process that decodes was ended: no {what} for {} s", .after.as_secs())]
    Silent {
        /// What there was none of.
        what: &'static str,
        /// How long that was waited for.
        after: Duration,
    },
    /// Its answer cannot be true.
    #[error("the process that decodes gave an answer that cannot be")]
    Nonsense,
}

/// Decodes the audio file `input` into the file `spool`, which exists, and finds the spans with speech.
///
/// Blocks, and shows `control` about ten times a second that the caller is alive; the process has limits of its own for that.
pub(crate) fn decode_apart(
    input: &Path,
    spool: &Path,
    settings: &DecodeSettings,
    selection: Selection,
    control: &dyn Control,
) -> Result<Recording, DecodeError> {
    let without = || {
        decode(
            DecodeProcess::start(input, spool, settings, selection, None),
            spool,
            settings,
            control,
        )
    };
    let first = without();
    let (Some(program), Some(formats)) = (&settings.ffmpeg, ffmpeg::is_wanted(&first, input))
    else {
        return first;
    };

    let started = Ffmpeg::start(program, formats, input, settings, selection.track)
        .map_err(DecodeError::Process);
    let mut has_run = true;
    let kills = OomKills::now();
    let second = started.and_then(|(mut ffmpeg, samples)| {
        let process = DecodeProcess::start(input, spool, settings, selection, Some(samples));
        let decoded = decode(process, spool, settings, control);
        // The end of the pipe was reached, which a killed ffmpeg causes too. An empty pipe is taken for a
        // corrupt recording.
        let is_at_end = matches!(
            decoded,
            Ok(_) | Err(DecodeError::Audio(AudioError::CorruptAudio(_)))
        );
        if is_at_end && let Some(status) = ffmpeg.death() {
            return Err(died(status, &kills));
        }
        if decoded.is_err() && is_at_end {
            has_run = ffmpeg.has_run();
        }
        let recording = decoded?;
        Ok(Recording {
            truncated: recording.truncated || !ffmpeg.has_succeeded(),
            ..recording
        })
    });
    if !has_run {
        tracing::error!(
            "{} cannot be started in its sandbox (STENO_FFMPEG)",
            program.display()
        );
        return if first.is_ok() { without() } else { first };
    }
    settled(first, second).unwrap_or_else(without)
}

/// The outcome of an attempt without ffmpeg and of one with it. `None` means that the first one is to be repeated: the
/// spool has what ffmpeg made of the recording by now.
fn settled(
    first: Result<Recording, DecodeError>,
    second: Result<Recording, DecodeError>,
) -> Option<Result<Recording, DecodeError>> {
    use AudioError::{Input, NeedsFfmpeg, Spool, Stopped, TooLong, UnsupportedMedia};

    let outcome = match (first, second) {
        (Err(_), Ok(second)) => Ok(second),
        (Ok(first), Ok(second))
            if second.duration_ms / 2 > first.duration_ms.saturating_sub(first.damaged_ms) =>
        {
            Ok(second)
        }
        (_, Err(DecodeError::Audio(error @ (Stopped | TooLong { .. })))) => Err(error.into()),
        // It is not known what ffmpeg makes of the recording: the machine is at fault, a full disk for
        // example, or ffmpeg was killed.
        (
            Err(_),
            Err(
                error @ (DecodeError::Process(_)
                | DecodeError::OutOfMemory(_)
                | DecodeError::Died(_)
                | DecodeError::Silent { .. }
                | DecodeError::Audio(Input(_) | Spool(_))),
            ),
        ) => Err(error),
        (Err(DecodeError::Audio(NeedsFfmpeg(format))), Err(_)) => {
            Err(UnsupportedMedia(format!("{format}, which ffmpeg could not read either")).into())
        }
        (Err(first), Err(_)) => Err(first),
        (Ok(_), _) => return None,
    };
    Some(outcome)
}

/// Waits for the answer of a process.
fn decode(
    process: io::Result<DecodeProcess>,
    spool: &Path,
    settings: &DecodeSettings,
    control: &dyn Control,
) -> Result<Recording, DecodeError> {
    let mut process = process.map_err(DecodeError::Process)?;
    // Some hundred times what decoding takes.
    let longest = settings.stall_timeout + Duration::from_secs(settings.limits.max_seconds / 2);
    let began = Instant::now();
    let (mut alive_at, mut lines) = (began, 0);
    let mut has_begun = false;

    loop {
        if control.should_stop() {
            return Err(AudioError::Stopped.into());
        }
        let received = process
            .answers
            .receive()
            .map_err(|error| match error.kind() {
                io::ErrorKind::InvalidData => DecodeError::Nonsense,
                _ => DecodeError::Process(error),
            });
        match received? {
            Received::Message(Message::Alive) => {
                alive_at = Instant::now();
                has_begun = true;
            }
            Received::Message(Message::Unprotected(reasons)) => warn_once(&shortened(&reasons)),
            Received::Message(Message::Prepared(recording)) => return checked(recording, spool),
            Received::Message(Message::Failed(error)) => return Err(AudioError::from(error).into()),
            Received::Words(words) if lines < MAX_WORDS => {
                tracing::warn!("a process that decodes says {words:?}");
                lines += 1;
            }
            Received::End if has_begun => return Err(process.end()),
            Received::End => return Err(process.end_before_it_began()),
            Received::Nothing if alive_at.elapsed() > settings.stall_timeout => {
                return Err(DecodeError::Silent {
                    what: "sign of life",
                    after: settings.stall_timeout,
                });
            }
            Received::Words(_) | Received::Nothing => {}
        }
        if began.elapsed() > longest {
            return Err(DecodeError::Silent {
                what: "answer",
                after: longest,
            });
        }
    }
}

/// The reasons are the same for every process.
fn warn_once(reasons: &str) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::warn!(
            "recordings are decoded with less protection than there could be: {reasons}"
        );
    });
}

/// The recording, if the spool can be its.
fn checked(recording: Recording, spool: &Path) -> Result<Recording, DecodeError> {
    let samples = samples_of(spool).map_err(AudioError::Spool)?;
    if recording.fits(samples) {
        Ok(recording)
    } else {
        Err(DecodeError::Nonsense)
    }
}

/// This very program, even if another version of it was installed meanwhile. Its environment is empty
/// but for what the dynamic loader reads: any other variable may hold a secret.
fn own_program() -> Command {
    let for_the_loader = std::env::vars_os()
        .filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("LD_")));
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("steno-worker")
        .env_clear()
        .envs(for_the_loader);
    command
}

/// A running process; ended when dropped.
struct DecodeProcess {
    child: Child,
    answers: Answers,
    /// From before it started.
    kills: OomKills,
}

impl DecodeProcess {
    /// `piped` are samples that ffmpeg decodes; without them it reads `input`.
    fn start(
        input: &Path,
        spool: &Path,
        settings: &DecodeSettings,
        selection: Selection,
        piped: Option<PipeReader>,
    ) -> io::Result<Self> {
        let order = Order {
            limits: settings.limits,
            memory_bytes: settings.memory_bytes,
            selection,
            is_piped: piped.is_some(),
            worker: std::process::id(),
        };
        let kills = OomKills::now();
        let (answers, others_end) = io::pipe()?;
        let mut command = own_program();
        command
            .arg(ARGUMENT)
            .arg(serde_json::to_string(&order)?)
            .args([input, spool]);
        command.stdin(piped.map_or_else(Stdio::null, Stdio::from));
        command.stdout(others_end.try_clone()?).stderr(others_end);
        // Signals for the worker's group, as of a terminal, are for the worker to act on.
        let child = command.process_group(0).spawn()?;
        Ok(Self {
            child,
            answers: Answers::new(answers),
            kills,
        })
    }

    /// How it ended, where it never came to read the recording: it could not be loaded, or found no memory.
    fn end_before_it_began(&mut self) -> DecodeError {
        match self.end() {
            DecodeError::Died(status) => DecodeError::Process(io::Error::other(format!(
                "it ended before it read anything ({status})"
            ))),
            other => other,
        }
    }

    /// How it ended. It has closed its end of the pipe, which need not be its end.
    fn end(&mut self) -> DecodeError {
        if let Some(status) = end_within(&mut self.child, LONGEST_END) {
            return died(status, &self.kills);
        }
        let _ = self.child.kill();
        self.child
            .wait()
            .map_or_else(DecodeError::Process, DecodeError::Died)
    }
}

/// How a process ended that was not killed here.
fn died(status: ExitStatus, kills: &OomKills) -> DecodeError {
    if kills.explain(status) {
        DecodeError::OutOfMemory(status)
    } else {
        DecodeError::Died(status)
    }
}

/// Waits for a process that is about to end. `None` if it goes on.
fn end_within(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if began.elapsed() < limit => thread::sleep(END_TICK),
            Ok(None) | Err(_) => return None,
        }
    }
}

impl Drop for DecodeProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests;

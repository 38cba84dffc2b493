//! Decoding in a process of its own: whatever a recording does to a decoder, it does to that process alone.
//!
//! [`prepare`] is [`audio::prepare`](crate::audio::prepare) behind a wall. It starts this program again, which finds out in
//! [`run_if_asked`] what it is for, gives up everything but the two files, and answers over a pipe, a JSON value a line.
//! Called by the task code. Never sees the store.

mod child;
mod wire;

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;

use crate::audio::{AudioError, Control, Limits, Recording};
pub use child::run_if_asked;
use wire::{Message, Order};

/// The first argument of a process that is to decode.
const ARGUMENT: &str = "--decode";
/// Pause between two looks at the control.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Longest answer: a recording of a day has a tenth of it.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// What a process that decodes may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecodeSettings {
    /// Bounds on what the file expands to.
    pub(crate) limits: Limits,
    /// Address space, in bytes.
    pub(crate) memory_bytes: u64,
    /// Longest time without a sign of life.
    pub(crate) stall_timeout: Duration,
}

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    /// What the decoder says about the file.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The process could not be started or understood.
    #[error("cannot run a process to decode in")]
    Process(#[source] io::Error),
    /// It ended without an answer: killed, aborted, or out of memory.
    #[error("the process that decodes ended without an answer ({0})")]
    Died(ExitStatus),
    /// It was ended because it gave no sign of life.
    #[error("the process that decodes gave no sign of life for {} s", .0.as_secs())]
    Silent(Duration),
}

/// Decodes the audio file `input` into the file `spool`, which exists, and finds the spans with speech.
///
/// Blocks, and shows `control` about ten times a second that the caller is alive; the process has a limit of its own for that.
pub(crate) fn prepare(
    input: &Path,
    spool: &Path,
    settings: &DecodeSettings,
    control: &dyn Control,
) -> Result<Recording, DecodeError> {
    let mut process = DecodeProcess::start(input, spool, settings).map_err(DecodeError::Process)?;
    let mut alive_at = Instant::now();
    loop {
        if control.should_stop() {
            return Err(AudioError::Stopped.into());
        }
        match process.receive()? {
            Some(Message::Alive) => alive_at = Instant::now(),
            Some(Message::Unprotected(reason)) => warn_once(&reason),
            Some(Message::Prepared(recording)) => return Ok(recording),
            Some(Message::Failed(error)) => return Err(AudioError::from(error).into()),
            None if alive_at.elapsed() > settings.stall_timeout => {
                return Err(DecodeError::Silent(settings.stall_timeout));
            }
            None => {}
        }
    }
}

/// The reason is the same for every process.
fn warn_once(reason: &str) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::warn!("recordings are decoded with less protection than there could be: {reason}"));
}

/// A running process; ended when dropped.
struct DecodeProcess {
    child: Child,
    answers: ChildStdout,
    received: Vec<u8>,
}

impl DecodeProcess {
    fn start(input: &Path, spool: &Path, settings: &DecodeSettings) -> io::Result<Self> {
        let order = Order { limits: settings.limits, memory_bytes: settings.memory_bytes };
        // This very program, even if another version of it was installed meanwhile.
        let mut child = Command::new("/proc/self/exe")
            .arg0("steno-worker")
            .arg(ARGUMENT)
            .arg(serde_json::to_string(&order)?)
            .args([input, spool])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Signals for the worker's group, as of a terminal, are for the worker to act on.
            .process_group(0)
            .spawn()?;
        let answers = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { child, answers, received: Vec::new() })
    }

    /// The next message, or `None` if there is none for a tick.
    fn receive(&mut self) -> Result<Option<Message>, DecodeError> {
        let broken = |error: serde_json::Error| DecodeError::Process(error.into());
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<_> = self.received.drain(..=end).collect();
                return serde_json::from_slice(&line).map(Some).map_err(broken);
            }
            if self.received.len() > MAX_ANSWER_BYTES {
                return Err(DecodeError::Process(io::ErrorKind::InvalidData.into()));
            }
            match poll(&mut [PollFd::new(&self.answers, PollFlags::IN)], Some(&TICK)) {
                Ok(0) | Err(Errno::INTR) => return Ok(None),
                Err(error) => return Err(DecodeError::Process(error.into())),
                Ok(_) => {}
            }
            let mut bytes = [0; 4096];
            match self.answers.read(&mut bytes).map_err(DecodeError::Process)? {
                0 => return Err(DecodeError::Died(self.child.wait().map_err(DecodeError::Process)?)),
                count => self.received.extend_from_slice(&bytes[..count]),
            }
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

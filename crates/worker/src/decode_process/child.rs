//! The process that decodes: it opens its two files, sandboxes itself, then decodes one recording.

use std::cell::Cell;
use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Signal};

use super::wire::{Message, Order};
use super::{ARGUMENT, ffmpeg, sandbox};
use crate::Control;
use crate::audio::{self, AudioError, Recording, SAMPLE_RATE};

/// Pause between two signs of life.
const SIGN_INTERVAL: Duration = Duration::from_millis(250);
/// Exit code for invalid arguments (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;
/// Exit code if the answer cannot be written (`EX_IOERR` of sysexits.h).
const EXIT_UNHEARD: u8 = 74;

/// Decodes and returns how it ended, if this process was started by a worker for that. Else returns `None` at once.
///
/// Every program that runs a [`Worker`](crate::Worker) calls this before anything else.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let argument = arguments.next()?;
    if argument == ffmpeg::ARGUMENT {
        return Some(ffmpeg::run(arguments));
    }
    if argument != ARGUMENT {
        return None;
    }
    let order = arguments
        .next()
        .and_then(|order| serde_json::from_str::<Order>(order.to_str()?).ok());
    let (Some(order), Some(input), Some(spool)) = (order, arguments.next(), arguments.next())
    else {
        eprintln!("{ARGUMENT} is for the worker's own use");
        return Some(ExitCode::from(EXIT_USAGE));
    };
    let answered = run(&order, Path::new(&input), Path::new(&spool));
    Some(if answered.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_UNHEARD)
    })
}

fn run(order: &Order, input: &Path, spool: &Path) -> io::Result<()> {
    // The message of a panic may quote the recording.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let _ = writeln!(io::stderr(), "panicked at {location}");
    }));
    if !steno_settings::die_with(order.worker, Signal::KILL)? {
        return Err(io::ErrorKind::BrokenPipe.into());
    }

    // A failure before this point is the machine's; after it, the recording's.
    send(&Message::Alive)?;
    // The name in `top` and in the kernel's log.
    let _ = rustix::thread::set_name(c"steno-decode");
    let message = match decode_in_sandbox(order, input, spool) {
        Ok(recording) => Message::Prepared(recording),
        Err(SealedError::Audio(error)) => Message::Failed(error.into()),
        Err(SealedError::Pipe(error)) => return Err(error),
    };
    send(&message)
}

/// Opens the files, enters the sandbox, decodes.
fn decode_in_sandbox(order: &Order, input: &Path, spool: &Path) -> Result<Recording, SealedError> {
    let spool = audio::open_spool(spool)?;
    let input = if order.is_piped {
        None
    } else {
        Some(audio::open_input(input)?)
    };

    let mut missing = limit(order);
    missing.extend(sandbox::seal().iter().map(ToString::to_string));
    if !missing.is_empty() {
        send(&Message::Unprotected(missing.join("; ")))?;
    }

    let signs = SignsOfLife::default();
    let recording = match &input {
        None => audio::prepare_piped(
            io::stdin().lock(),
            &spool,
            &order.limits,
            order.selection.splits_channels,
            &signs,
        )?,
        Some(input) => audio::prepare_open(input, &spool, &order.limits, order.selection, &signs)?,
    };
    Ok(recording)
}

/// Why there is no recording.
enum SealedError {
    /// What the decoder reports.
    Audio(AudioError),
    /// The worker does not take the messages.
    Pipe(io::Error),
}

impl From<AudioError> for SealedError {
    fn from(error: AudioError) -> Self {
        Self::Audio(error)
    }
}

impl From<io::Error> for SealedError {
    fn from(error: io::Error) -> Self {
        Self::Pipe(error)
    }
}

fn send(message: &Message) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut answers = io::stdout().lock();
    answers.write_all(&line)?;
    answers.flush()
}

/// Limits this process's use of the machine. Returns the limits that could not be set.
fn limit(order: &Order) -> Vec<String> {
    sandbox::be_killed_first();
    let spool_bytes = order
        .limits
        .max_seconds
        .saturating_add(1)
        .saturating_mul(u64::from(SAMPLE_RATE) * 2)
        .saturating_mul(order.selection.max_channels());
    sandbox::limit(&[
        ("memory", Resource::As, order.memory_bytes),
        ("file sizes", Resource::Fsize, spool_bytes),
        // A limit of 0 does not apply to dumps through a pipe, one of 1 does (core(5)).
        ("core dumps", Resource::Core, 1),
        ("processes", Resource::Nproc, 0),
    ])
}

/// Sends signs of life to the worker, and notices when the worker has gone.
#[derive(Default)]
struct SignsOfLife {
    last: Cell<Option<Instant>>,
}

impl Control for SignsOfLife {
    fn should_stop(&self) -> bool {
        if self
            .last
            .get()
            .is_some_and(|last| last.elapsed() < SIGN_INTERVAL)
        {
            return false;
        }
        self.last.set(Some(Instant::now()));
        send(&Message::Alive).is_err()
    }
}

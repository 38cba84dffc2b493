//! The process that decodes: it puts up its walls, then decodes one file.

use std::cell::Cell;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use super::wire::{Message, Order};
use super::{ARGUMENT, ffmpeg};
use crate::Control;
use crate::audio::{self, SAMPLE_RATE};

/// Pause between two signs of life.
const SIGN_INTERVAL: Duration = Duration::from_millis(250);
/// Exit code for arguments that cannot be (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;
/// Exit code when nobody takes the answer (`EX_IOERR` of sysexits.h).
const EXIT_UNHEARD: u8 = 74;
/// The newest version of Landlock that is asked for; the kernel gives what it has.
const LANDLOCK: ABI = ABI::V6;

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
    // What a panic says may quote the recording.
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
    // From here on what happens is the recording's doing: before this, the machine's.
    tell(&Message::Alive)?;
    // As `top` and the kernel's log call it.
    let _ = rustix::thread::set_name(c"steno-decode");
    let missing = [limit(order), confine(input, spool)]
        .into_iter()
        .filter_map(Result::err)
        .collect::<Vec<_>>();
    if !missing.is_empty() {
        tell(&Message::Unprotected(missing.join("; ")))?;
    }
    let signs = SignsOfLife::default();
    let prepared = if order.is_piped {
        audio::prepare_piped(io::stdin().lock(), spool, &order.limits, &signs)
    } else {
        audio::prepare(input, spool, &order.limits, order.track, &signs)
    };
    let message = match prepared {
        Ok(recording) => Message::Prepared(recording),
        Err(error) => Message::Failed(error.into()),
    };
    tell(&message)
}

fn tell(message: &Message) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut answers = io::stdout().lock();
    answers.write_all(&line)?;
    answers.flush()
}

/// Bounds what this process can take from the others.
fn limit(order: &Order) -> Result<(), String> {
    // Where memory runs out all the same, this is whom to kill. The kernel may not let us say so.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    let spool_bytes = order
        .limits
        .max_seconds
        .saturating_add(1)
        .saturating_mul(u64::from(SAMPLE_RATE) * 2);
    let limits = [
        ("memory", Resource::As, order.memory_bytes),
        ("file sizes", Resource::Fsize, spool_bytes),
        // A limit of 0 does not hold for dumps through a pipe, one of 1 does (core(5)).
        ("core dumps", Resource::Core, 1),
        ("processes", Resource::Nproc, 0),
    ];
    let failed = limits.into_iter().filter_map(|(name, resource, most)| {
        // What somebody else has limited further stays so.
        let most = getrlimit(resource)
            .maximum
            .map_or(most, |already| most.min(already));
        let error = setrlimit(
            resource,
            Rlimit {
                current: Some(most),
                maximum: Some(most),
            },
        )
        .err()?;
        Some(format!("cannot limit {name}: {error}"))
    });
    let failed: Vec<_> = failed.collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("; "))
    }
}

/// From here on this thread can open nothing but the two files and, where the kernel's Landlock is new enough, neither connect by
/// TCP nor send signals.
fn confine(input: &Path, spool: &Path) -> Result<(), String> {
    let restrict = || -> Result<RulesetStatus, RulesetError> {
        let status = Ruleset::default()
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .handle_access(AccessNet::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?
            .create()?
            // A file that is not there has no rule and cannot be opened: the decoder tells.
            .add_rules(path_beneath_rules([input], AccessFs::ReadFile))?
            .add_rules(path_beneath_rules(
                [spool],
                AccessFs::WriteFile | AccessFs::Truncate,
            ))?
            .restrict_self()?;
        Ok(status.ruleset)
    };
    match restrict() {
        Ok(RulesetStatus::NotEnforced) => {
            Err("the kernel has no Landlock (Linux 5.13 has)".to_owned())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(format!("cannot confine the decoder: {error}")),
    }
}

/// Tells the worker now and then that there is life, and notices when the worker has gone.
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
        tell(&Message::Alive).is_err()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::thread;

    use super::*;

    #[test]
    fn a_confined_thread_opens_its_two_files_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["input", "spool", "other"] {
            fs::write(path(name), name).unwrap();
        }
        let (input, spool, other, made) =
            (path("input"), path("spool"), path("other"), path("made"));
        // Landlock holds for the thread that asks for it.
        let confined = thread::spawn(move || {
            if let Err(reason) = confine(&input, &spool) {
                // An old kernel: there is nothing to look at.
                return eprintln!("{reason}");
            }
            assert_eq!(fs::read_to_string(&input).unwrap(), "input");
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .open(&spool)
                .unwrap();
            let denied = |result: io::Result<File>| {
                assert_eq!(result.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            };
            denied(File::open(&other));
            denied(File::open("/proc/self/environ"));
            denied(File::create(&made));
            denied(OpenOptions::new().write(true).open(&input));
        });
        confined.join().unwrap();
    }
}

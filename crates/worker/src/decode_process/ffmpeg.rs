//! ffmpeg as the decoder of last resort, in a sandboxed process of its own and limited to a list of formats.
//!
//! The worker starts its own program again with [`ARGUMENT`]. That process sets its limits, enters its sandbox and executes
//! ffmpeg, which writes samples to a pipe. The usual decode process reads them and stays as confined as without ffmpeg.
//! ffmpeg never gets a client's file name, never opens a playlist, and reads only the recording and its own libraries.

use std::fs;
use std::io::{self, PipeReader};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

use rustix::process::{Resource, Signal};
use serde::{Deserialize, Serialize};

use super::{DecodeSettings, LONGEST_END, end_within, own_program, sandbox};
use crate::audio::{AudioError, Recording, TrackChoice};

/// The first argument of a process that is to become ffmpeg. No flag of the worker may have this name.
pub(super) const ARGUMENT: &str = "--decode-with-ffmpeg";
/// Exit code where ffmpeg cannot be started, as shells have it.
const EXIT_NOT_FOUND: u8 = 127;
/// Exit code for invalid arguments (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;
/// Address space of ffmpeg's libraries, on top of what decoding may take.
const LIBRARIES: u64 = 512 << 20;
/// Threads it may have beside all that run.
const THREADS: u64 = 64;
/// Assumed number of threads on the machine where /proc does not say.
const UNKNOWN_THREADS: u64 = 4_096;
/// Formats that are known by their first bytes.
const FORMATS: &str = "mov,matroska,webm,asf,avi,flv,ogg,wav,w64,aiff,au,caf,amr,mpegts,rm,voc,ape,wv,tta,mpc,mpc8,dsf,iff,\
                       nistsphere,flac,mxf,dts,dtshd,avr";
/// Formats that ffmpeg may find in anything.
const GUESSED: &str = ",mp3,aac,ac3,eac3,mpeg,truehd,amrnb,amrwb";

/// What the process needs to start ffmpeg.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    ffmpeg: PathBuf,
    track: TrackChoice,
    may_guess: bool,
    memory_bytes: u64,
    cpu_seconds: u64,
    worker: u32,
}

/// Whether and how ffmpeg is asked after a first attempt without it.
pub(super) fn is_wanted(
    first: &Result<Recording, super::DecodeError>,
    input: &Path,
) -> Option<Formats> {
    match first {
        Err(super::DecodeError::Audio(
            AudioError::NeedsFfmpeg(_) | AudioError::CorruptAudio(_),
        )) => Some(Formats::All),
        Err(super::DecodeError::Audio(AudioError::UnsupportedMedia(_))) => Some(Formats::Certain),
        Ok(recording) if is_almost_nothing(recording, input) => Some(Formats::Certain),
        _ => None,
    }
}

/// Which formats ffmpeg may take a file for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Formats {
    /// Those with a signature.
    Certain,
    /// Also those without one.
    All,
}

/// Less than a second of a large file, or more damage than sound.
fn is_almost_nothing(recording: &Recording, input: &Path) -> bool {
    const LARGE: u64 = 256 << 10;
    let is_large = fs::metadata(input).is_ok_and(|file| file.len() > LARGE);
    (recording.duration_ms < 1_000 && is_large) || recording.damaged_ms > recording.duration_ms / 2
}

/// A running ffmpeg; ended when dropped.
pub(super) struct Ffmpeg(Child);

impl Ffmpeg {
    /// Starts it, and returns the pipe that it writes to.
    pub(super) fn start(
        ffmpeg: &Path,
        formats: Formats,
        input: &Path,
        settings: &DecodeSettings,
        track: TrackChoice,
    ) -> io::Result<(Self, PipeReader)> {
        let limits = settings.limits;
        let order = Order {
            ffmpeg: ffmpeg.to_owned(),
            track,
            may_guess: formats == Formats::All,
            memory_bytes: settings.memory_bytes.saturating_add(LIBRARIES),
            cpu_seconds: limits
                .max_cpu
                .as_secs()
                .saturating_add(limits.max_seconds / 2),
            worker: std::process::id(),
        };
        let (samples, others_end) = io::pipe()?;
        let mut command = own_program();
        command
            .arg(ARGUMENT)
            .arg(serde_json::to_string(&order)?)
            .arg(input);
        command
            .stdin(Stdio::null())
            .stdout(others_end)
            .stderr(Stdio::null());
        Ok((Self(command.process_group(0).spawn()?), samples))
    }

    /// Whether it read the file to its end without complaint. It has closed its pipe, and is ending.
    pub(super) fn has_succeeded(&mut self) -> bool {
        self.end().is_some_and(|status| status.success())
    }

    /// Whether it was started at all. Its pipe is closed.
    pub(super) fn has_run(&mut self) -> bool {
        self.end()
            .is_none_or(|status| status.code() != Some(i32::from(EXIT_NOT_FOUND)))
    }

    /// The signal that ended it: what it wrote is not all of the recording.
    pub(super) fn death(&mut self) -> Option<ExitStatus> {
        self.end().filter(|status| status.signal().is_some())
    }

    /// How it ended; `None` if it goes on.
    fn end(&mut self) -> Option<ExitStatus> {
        end_within(&mut self.0, LONGEST_END)
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Becomes ffmpeg. Returns only when it cannot.
pub(super) fn run(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let order = arguments
        .next()
        .and_then(|order| serde_json::from_str::<Order>(order.to_str()?).ok());
    let (Some(order), Some(input)) = (order, arguments.next().map(PathBuf::from)) else {
        eprintln!("{ARGUMENT} is for the worker's own use");
        return ExitCode::from(EXIT_USAGE);
    };
    if !steno_settings::die_with(order.worker, Signal::KILL).unwrap_or(false) {
        return ExitCode::from(EXIT_NOT_FOUND);
    }

    sandbox::be_killed_first();
    limit(&order);
    // ffmpeg reads what untrusted clients send: without a sandbox it is not started.
    if sandbox::seal_ffmpeg(&order.ffmpeg, &input).is_err() {
        return ExitCode::from(EXIT_NOT_FOUND);
    }
    let _ = command(&order, &input).exec();
    ExitCode::from(EXIT_NOT_FOUND)
}

fn command(order: &Order, input: &Path) -> Command {
    let formats = if order.may_guess {
        [FORMATS, GUESSED].concat()
    } else {
        FORMATS.to_owned()
    };

    let mut file = std::ffi::OsString::from("file:");
    file.push(input);
    let mut command = Command::new(&order.ffmpeg);
    command
        .env_clear()
        .args([
            "-nostdin",
            "-hide_banner",
            "-loglevel",
            "quiet",
            "-threads",
            "1",
        ])
        .args([
            "-protocol_whitelist",
            "file,pipe",
            "-format_whitelist",
            &formats,
            "-i",
        ])
        .arg(file);

    if let TrackChoice::Number(number) = order.track {
        command.args(["-map", &format!("0:a:{}", number.saturating_sub(1))]);
    }
    command.args([
        "-vn",
        "-sn",
        "-dn",
        "-map_metadata",
        "-1",
        "-threads",
        "1",
        "-c:a",
        "pcm_f32be",
        "-f",
        "au",
        "pipe:1",
    ]);

    command
}

/// Sets resource limits. A limit that cannot be set is skipped.
fn limit(order: &Order) {
    let running = fs::read_to_string("/proc/loadavg").ok();
    let running = running.as_deref().and_then(|load| {
        load.split('/')
            .nth(1)?
            .split(' ')
            .next()?
            .parse::<u64>()
            .ok()
    });
    let threads = running.unwrap_or(UNKNOWN_THREADS) + THREADS;
    sandbox::limit(&[
        ("memory", Resource::As, order.memory_bytes),
        ("processor time", Resource::Cpu, order.cpu_seconds),
        ("file sizes", Resource::Fsize, 0),
        // A limit of 0 does not apply to dumps through a pipe, one of 1 does (core(5)).
        ("core dumps", Resource::Core, 1),
        ("threads", Resource::Nproc, threads),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flag_of_the_worker_is_taken_for_an_order_to_decode() {
        let command = <crate::Config as clap::CommandFactory>::command();
        let flags: Vec<_> = command
            .get_arguments()
            .filter_map(|argument| argument.get_long())
            .collect();
        assert!(flags.contains(&"ffmpeg"), "{flags:?}");
        for order in [ARGUMENT, super::super::ARGUMENT] {
            assert!(!flags.contains(&order.trim_start_matches('-')), "{order}");
        }
    }

    #[test]
    fn ffmpeg_is_asked_only_where_it_may_do_better() {
        let folder = tempfile::tempdir().unwrap();
        let (small, large) = (folder.path().join("small"), folder.path().join("large"));
        fs::write(&small, [0; 1_000]).unwrap();
        fs::write(&large, vec![0; 1 << 20]).unwrap();
        let failed = |error: AudioError| is_wanted(&Err(error.into()), &small);
        assert_eq!(
            failed(AudioError::NeedsFfmpeg("AMR".into())),
            Some(Formats::All)
        );
        assert_eq!(
            failed(AudioError::CorruptAudio("damaged".into())),
            Some(Formats::All)
        );
        assert_eq!(
            failed(AudioError::UnsupportedMedia("unknown".into())),
            Some(Formats::Certain)
        );
        assert_eq!(failed(AudioError::EmptyAudio), None);
        assert_eq!(failed(AudioError::TooLong { limit_seconds: 1 }), None);

        let found = |duration_ms, damaged_ms, input: &Path| {
            is_wanted(
                &Ok(Recording {
                    duration_ms,
                    spans: Vec::new(),
                    truncated: false,
                    damaged_ms,
                    channels: 1,
                    is_one_sound: false,
                }),
                input,
            )
        };
        assert_eq!(found(20, 0, &large), Some(Formats::Certain));
        assert_eq!(found(20, 0, &small), None);
        assert_eq!(found(60_000, 31_000, &large), Some(Formats::Certain));
        assert_eq!(found(60_000, 29_000, &large), None);
    }
}

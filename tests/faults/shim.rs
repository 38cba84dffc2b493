//! The library that breaks system calls of a process, and its log.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The shim, built once per test run.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("shim.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/faults/shim.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
        .arg(&path)
        .arg(source)
        .status();
    assert!(built.unwrap().success(), "cannot build {source}");
    path
});

/// The fault to inject into a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Only log.
    None,
    /// Kill it before this point.
    KillBefore(usize),
    /// Kill it after this point.
    KillAfter(usize),
    /// The n-th call of this name, `write` or `sync`, fails with EIO.
    IoError(&'static str, usize),
}

/// The environment that loads the shim into a process.
pub(crate) fn environment(data: &Path, log: &Path, fault: Fault) -> Vec<(&'static str, String)> {
    let mut environment = vec![
        ("LD_PRELOAD", LIBRARY.to_str().unwrap().to_owned()),
        ("LD_SHIM_ROOT", data.to_str().unwrap().to_owned()),
        ("LD_SHIM_LOG", log.to_str().unwrap().to_owned()),
    ];
    match fault {
        Fault::None => {}
        Fault::KillBefore(point) => environment.push(("LD_SHIM_KILL", format!("before:{point}"))),
        Fault::KillAfter(point) => environment.push(("LD_SHIM_KILL", format!("after:{point}"))),
        Fault::IoError(call, number) => {
            environment.push(("LD_SHIM_FAIL", format!("{call}:{number}")));
        }
    }
    environment
}

/// The environment that adds the seconds in the file `clock` to the wall clock.
pub(crate) fn clock_environment(clock: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("LD_PRELOAD", LIBRARY.to_str().unwrap().to_owned()),
        ("LD_SHIM_CLOCK", clock.to_str().unwrap().to_owned()),
    ]
}

/// The environment that makes the disk of a process read-only while the file `lock` exists.
pub(crate) fn lock_environment(data: &Path, lock: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("LD_PRELOAD", LIBRARY.to_str().unwrap().to_owned()),
        ("LD_SHIM_ROOT", data.to_str().unwrap().to_owned()),
        ("LD_SHIM_LOCK", lock.to_str().unwrap().to_owned()),
    ]
}

/// The environment that hangs one event loop of the api while the file `hang` exists.
pub(crate) fn hang_environment(hang: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("LD_PRELOAD", LIBRARY.to_str().unwrap().to_owned()),
        ("LD_SHIM_HANG", hang.to_str().unwrap().to_owned()),
    ]
}

/// The environment that makes the decoders of a worker misbehave: `leave`, `babble`, `lie` or `hang`.
pub(crate) fn decoder_environment(how: &str) -> Vec<(&'static str, String)> {
    vec![
        ("LD_PRELOAD", LIBRARY.to_str().unwrap().to_owned()),
        ("LD_SHIM_DECODER", how.to_owned()),
    ]
}

/// In the form that [`steno_e2e::Service::try_start_api`] takes.
pub(crate) fn borrowed<'a>(environment: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// A line of the log.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// `write`, `sync`, `rename`, `unlink`, `truncate`, `datagram`, or `answer` for a 202.
    pub(crate) call: String,
    /// The file.
    pub(crate) path: String,
}

/// The calls of a process in order. Not counting answers, the index plus one is the number of the point.
pub(crate) fn read(log: &Path) -> Vec<Point> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let point = |line: &str| {
        let mut words = line.splitn(3, ' ').skip(1).map(ToOwned::to_owned);
        Some(Point {
            call: words.next()?,
            path: words.next()?,
        })
    };
    text.lines().filter_map(point).collect()
}

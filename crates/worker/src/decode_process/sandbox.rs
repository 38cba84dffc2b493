//! The sandboxes of the processes that read untrusted bytes: resource limits, Landlock for files and
//! networks, seccomp for system calls.
//!
//! The decoder enters [`seal`] after it opened its two files, and can open nothing afterwards. ffmpeg
//! has to load itself and its libraries: [`seal_ffmpeg`] lets it read those and the recording.

mod ffmpeg_calls;
mod seccomp;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The newest version of Landlock that is requested; the kernel gives what it has.
const LANDLOCK: ABI = ABI::V6;
/// Where programs have their libraries.
const LIBRARY_FOLDERS: [&str; 6] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
];

/// Why a part of a sandbox is missing.
#[derive(Debug, thiserror::Error)]
pub(super) enum SandboxError {
    #[error("the kernel has no Landlock (Linux 5.13 has)")]
    NoLandlock,
    #[error("cannot set up Landlock: {0}")]
    Landlock(#[from] RulesetError),
    #[error("cannot filter system calls: {0}")]
    Seccomp(#[from] seccomp::FilterError),
}

/// Seals this process: from here on it reads and writes what it has open, takes memory within its
/// limits, and ends. It opens no file, starts no process and no thread, and reaches no network.
///
/// Applies what the kernel has, and returns what is missing.
pub(super) fn seal() -> Vec<SandboxError> {
    let landlock = rules().and_then(enforced);
    let seccomp = seccomp::apply(&seccomp::decoder_calls()).map_err(SandboxError::from);
    [landlock, seccomp]
        .into_iter()
        .filter_map(Result::err)
        .collect()
}

/// Prepares this process to execute ffmpeg: from here on it can read the recording and libraries, and
/// execute ffmpeg alone. Fails where the kernel lacks a part.
pub(super) fn seal_ffmpeg(ffmpeg: &Path, input: &Path) -> Result<(), SandboxError> {
    let loaders = LIBRARY_FOLDERS
        .iter()
        .flat_map(|folder| loaders_in(Path::new(folder)));
    let programs = loaders.chain([ffmpeg.to_owned()]);
    let rules = rules()?
        .add_rules(path_beneath_rules([input], AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(
            programs,
            AccessFs::ReadFile | AccessFs::Execute,
        ))?
        .add_rules(path_beneath_rules(
            LIBRARY_FOLDERS,
            AccessFs::ReadFile | AccessFs::ReadDir,
        ))?;
    enforced(rules)?;
    ffmpeg_calls::apply()?;
    Ok(())
}

/// Rules that forbid all that Landlock knows.
fn rules() -> Result<RulesetCreated, SandboxError> {
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?;
    Ok(rules)
}

fn enforced(rules: RulesetCreated) -> Result<(), SandboxError> {
    match rules.restrict_self()?.ruleset {
        RulesetStatus::NotEnforced => Err(SandboxError::NoLandlock),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

/// Sets resource limits, each no higher than it is. Returns those that cannot be set.
pub(super) fn limit(limits: &[(&str, Resource, u64)]) -> Vec<String> {
    let failed = limits.iter().filter_map(|&(name, resource, most)| {
        let most = getrlimit(resource)
            .maximum
            .map_or(most, |already| most.min(already));
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        let error = setrlimit(resource, limit).err()?;
        Some(format!("cannot limit {name}: {error}"))
    });
    failed.collect()
}

/// Makes this process the first that the kernel kills when memory runs out. The kernel may refuse.
pub(super) fn be_killed_first() {
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
}

/// The dynamic loaders in a folder of libraries or one level below. The kernel executes one to start
/// ffmpeg.
fn loaders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .collect()
    };
    let is_loader = |path: &PathBuf| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.starts_with("ld-") && name.contains(".so")
    };

    let inner = entries(folder)
        .into_iter()
        .filter(|path| path.is_dir())
        .flat_map(|path| entries(&path));
    entries(folder)
        .into_iter()
        .chain(inner)
        .filter(is_loader)
        .collect()
}

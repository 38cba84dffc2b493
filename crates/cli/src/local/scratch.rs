//! The temporary folder of a local server: its queue, its key and its log.
//!
//! Both processes that use a folder hold a shared lock (flock) on it: `steno transcribe` and its
//! `steno up`. A folder without a lock was left by processes that were killed, and the next local
//! server deletes it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::OFlags;

/// Beginning of the folders' names in the temporary folder of the system.
const PREFIX: &str = "steno-transcribe-";
/// Tries to make a folder that another process does not delete as left over.
const TRIES: u32 = 10;

/// A temporary folder that this process uses. Dropping it unlocks the folder and keeps it.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Makes a folder that only this user can read.
    pub(super) fn create() -> anyhow::Result<Self> {
        let parent = std::env::temp_dir();
        for _ in 0..TRIES {
            let path = tempfile::Builder::new()
                .prefix(PREFIX)
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(&parent)
                .with_context(|| format!("cannot make a folder in {} (TMPDIR)", parent.display()))?
                .keep();
            // Another process may take the folder for left over before it is locked.
            if let Ok(scratch) = Self::open(&path) {
                return Ok(scratch);
            }
        }
        bail!("cannot lock a folder in {}", parent.display())
    }

    /// Locks a folder that another process made.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let lock = open_folder(path)?;
        lock.try_lock_shared()?;
        if path.symlink_metadata()?.ino() != lock.metadata()?.ino() {
            return Err(ErrorKind::NotFound.into());
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Deletes the folder with everything in it.
    pub(crate) fn remove(self) {
        // The next local server deletes what is left.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Deletes folders of local servers that were killed.
pub(super) fn remove_left_over() {
    remove_left_over_in(&std::env::temp_dir());
}

fn remove_left_over_in(parent: &Path) {
    let user = rustix::process::geteuid().as_raw();
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(folder) = open_folder(&entry.path()) else {
            continue;
        };
        let is_own = folder
            .metadata()
            .is_ok_and(|metadata| metadata.uid() == user);
        if is_own && folder.try_lock().is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Opens a folder, and nothing that a link leads to.
fn open_folder(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_private_and_goes_with_its_content() {
        let scratch = Scratch::create().unwrap();
        let path = scratch.path().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);

        fs::write(path.join("file"), "text").unwrap();
        scratch.remove();
        assert!(!path.exists());
    }

    #[test]
    fn only_folders_that_no_process_uses_are_left_over() {
        let parent = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = parent.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("file"), "text").unwrap();
            path
        };
        let used = folder("steno-transcribe-used");
        let left_over = folder("steno-transcribe-left");
        let foreign = folder("photos");
        let linked = folder("linked");
        let link = parent.path().join("steno-transcribe-link");
        std::os::unix::fs::symlink(&linked, &link).unwrap();

        let scratch = Scratch::open(&used).unwrap();
        remove_left_over_in(parent.path());
        assert!(used.exists() && foreign.exists());
        assert!(link.is_symlink() && linked.join("file").exists());
        assert!(!left_over.exists());

        drop(scratch);
        remove_left_over_in(parent.path());
        assert!(!used.exists());
    }
}

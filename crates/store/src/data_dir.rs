//! The data folder: where everything of one machine lies. Every other module asks here for a path.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::StoreError;

/// Magic numbers of file systems on which POSIX locks or fsync cannot be trusted (statfs(2)).
const NETWORK_FILE_SYSTEMS: [(i64, &str); 6] = [
    (0x6969, "nfs"),
    (0x517B, "smb"),
    (0xFF53_4D42, "cifs"),
    (0xFE53_4D42, "smb2"),
    (0x0102_1997, "9p"),
    (0x00C3_6400, "ceph"),
];

/// Paths inside `STENO_DATA`. Folders are readable by their owner only.
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// Makes the folders that are missing and refuses network file systems.
    pub fn create(root: &Path) -> Result<Self, StoreError> {
        let data = Self { root: root.to_owned() };
        for folder in [root.to_owned(), data.audio(), data.spool(), data.wake(), data.workers()] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .map_err(StoreError::file("create folder", &folder))?;
        }
        let stat = rustix::fs::statfs(root).map_err(|error| StoreError::file("inspect", root)(error.into()))?;
        // The type's sign and width differ between targets; the magic numbers are 32 bits wide.
        let magic = i64::from(stat.f_type as u32);
        match NETWORK_FILE_SYSTEMS.into_iter().find(|(known, _)| *known == magic) {
            Some((_, kind)) => Err(StoreError::NetworkFileSystem { path: root.to_owned(), kind }),
            None => Ok(data),
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.root.join("steno.db")
    }

    /// Uploaded recordings.
    pub fn audio(&self) -> PathBuf {
        self.root.join("audio")
    }

    /// Decoded recordings.
    pub fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    /// Sockets on which processes are woken.
    pub fn wake(&self) -> PathBuf {
        self.root.join("run/wake")
    }

    /// Lock files of live workers.
    pub fn workers(&self) -> PathBuf {
        self.root.join("run/workers")
    }

    /// Room that is kept for a full disk.
    pub(crate) fn ballast(&self) -> PathBuf {
        self.root.join("run/ballast")
    }

    /// Held while the database is opened for the first time or migrated.
    pub(crate) fn migration_lock(&self) -> PathBuf {
        self.root.join("run/migrate.lock")
    }

    /// Bytes that this user may still write on the folder's file system.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        let stat =
            rustix::fs::statvfs(&self.root).map_err(|error| StoreError::file("inspect", &self.root)(error.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Creates a file of ours and locks it (flock), which tells the orphan scan that somebody is at work on it.
pub(crate) fn create_locked(path: &Path) -> Result<File, StoreError> {
    loop {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(StoreError::file("create", path))?;
        file.lock().map_err(StoreError::file("lock", path))?;
        // A scan that came between the two has taken it for an orphan.
        if file.metadata().map_err(StoreError::file("inspect", path))?.nlink() > 0 {
            return Ok(file);
        }
    }
}

/// Makes a rename, creation or unlink in `folder` survive power loss.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    let handle = File::open(folder).map_err(StoreError::file("open folder", folder))?;
    handle.sync_all().map_err(StoreError::file("sync folder", folder))
}

/// Unlinks a file; one that is gone already counts as done. Returns whether it was there.
pub(crate) fn unlink(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::file("unlink", path)(error)),
    }
}

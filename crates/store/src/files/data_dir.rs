//! The data folder: where everything of one machine lies. Every other module asks here for a path.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::access::FileAccess;
use super::names::{CACHE, INCOMING, JOB_FOLDERS};
use crate::StoreError;
use crate::tx::JobFiles;

/// Magic numbers of file systems on which POSIX locks or fsync cannot be trusted (statfs(2)).
const NETWORK_FILE_SYSTEMS: [(i64, &str); 6] = [
    (0x6969, "nfs"),
    (0x517B, "smb"),
    (0xFF53_4D42, "cifs"),
    (0xFE53_4D42, "smb2"),
    (0x0102_1997, "9p"),
    (0x00C3_6400, "ceph"),
];

/// What a folder may hold and still become a new queue: the mark of a fresh file system, weights
/// that were installed first, and `run`, which an interrupted first start leaves.
const HARMLESS_ENTRIES: [&str; 3] = ["lost+found", "weights", "run"];

/// Permission bits of group and others.
const FOR_OTHERS: u32 = 0o077;

/// Paths inside `STENO_DATA`. Folders and files are readable by their owner only.
///
/// Holds the folder open, so that [`DataDir::check_in_place`] can check whether the path still leads
/// to it.
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
    handle: Arc<File>,
    access: FileAccess,
}

impl DataDir {
    /// Opens the folder of a queue that exists, and makes its permissions private again.
    ///
    /// Without a queue there, this is an error: a mount that is missing or a folder that was moved
    /// must not become a new, empty queue. [`DataDir::create`] is for the first start.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Self::open_for(root, true, FileAccess::All)
    }

    /// The same for a process with this access. `has_rows`: whether the database is in the folder.
    pub(crate) fn open_for(
        root: &Path,
        has_rows: bool,
        access: FileAccess,
    ) -> Result<Self, StoreError> {
        if !has_queue(root, has_rows)? {
            return Err(StoreError::NoQueue {
                path: root.to_owned(),
            });
        }
        Self::prepare(root, access)
    }

    /// Makes the folder of a new queue. Refuses a folder that holds anything else.
    pub fn create(root: &Path) -> Result<Self, StoreError> {
        if !has_queue(root, true)? {
            create_folder(root)?;
            refuse_foreign_entries(root)?;
        }
        Self::prepare(root, FileAccess::All)
    }

    fn prepare(root: &Path, access: FileAccess) -> Result<Self, StoreError> {
        let handle = File::open(root).map_err(StoreError::file("open folder", root))?;
        let data = Self {
            root: root.to_owned(),
            handle: Arc::new(handle),
            access,
        };
        data.refuse_network_file_system()?;
        make_private(root)?;

        let mut folders = vec![data.incoming(), data.wake(), data.workers()];
        if access == FileAccess::All {
            // The cache too, although it may stay empty: a unit hides it from the courier, and can only hide what is there.
            folders.extend([data.audio(), data.spool(), data.cache()]);
        }
        for folder in folders {
            create_folder(&folder)?;
            make_private(&folder)?;
        }
        for suffix in ["db", "db-wal", "db-shm"] {
            make_private(&data.database().with_extension(suffix))?;
        }
        Ok(data)
    }

    fn refuse_network_file_system(&self) -> Result<(), StoreError> {
        let stat = rustix::fs::fstatfs(&self.handle)
            .map_err(|error| StoreError::file("inspect", &self.root)(error.into()))?;
        // The type's sign and width differ between targets; the magic numbers are 32 bits wide.
        let magic = i64::from(stat.f_type as u32);
        match NETWORK_FILE_SYSTEMS
            .into_iter()
            .find(|(known, _)| *known == magic)
        {
            Some((_, kind)) => Err(StoreError::NetworkFileSystem {
                path: self.root.clone(),
                kind,
            }),
            None => Ok(()),
        }
    }

    /// Fails if the path no longer leads to the folder that was opened: it was moved, replaced, or
    /// its disk was unmounted. Everything written from then on would be in the wrong place.
    pub fn check_in_place(&self) -> Result<(), StoreError> {
        let held = self
            .handle
            .metadata()
            .map_err(StoreError::file("inspect", &self.root))?;
        let is_same = match fs::metadata(&self.root) {
            Ok(found) => (found.dev(), found.ino()) == (held.dev(), held.ino()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(StoreError::file("inspect", &self.root)(error)),
        };
        if is_same {
            Ok(())
        } else {
            Err(StoreError::Moved {
                path: self.root.clone(),
            })
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        database_of(&self.root)
    }

    /// Uploaded recordings.
    pub(crate) fn audio(&self) -> PathBuf {
        self.root.join(JobFiles::Audio.folder())
    }

    /// Recordings that were fetched by their address, and what the courier has on its way to object storage.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.root.join(INCOMING)
    }

    /// Decoded recordings.
    pub(crate) fn spool(&self) -> PathBuf {
        self.root.join(JobFiles::Spool.folder())
    }

    /// The folder for files on their way to object storage, or from it.
    pub(crate) fn cache(&self) -> PathBuf {
        self.root.join(CACHE)
    }

    /// Sockets on which processes are woken.
    pub fn wake(&self) -> PathBuf {
        self.root.join("run/wake")
    }

    /// Lock files of live workers.
    pub fn workers(&self) -> PathBuf {
        self.root.join("run/workers")
    }

    /// Space that is reserved for a full disk.
    pub(crate) fn ballast(&self) -> PathBuf {
        self.root.join("run/ballast")
    }

    /// Which files this process works with.
    pub(crate) fn access(&self) -> FileAccess {
        self.access
    }

    /// Held while the database is opened for the first time or migrated.
    pub(crate) fn migration_lock(&self) -> PathBuf {
        self.root.join("run/migrate.lock")
    }

    /// Bytes that this user may still write on the folder's file system.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        free_bytes(&self.root)
    }
}

/// Bytes that this user may still write on the file system of a folder.
pub(crate) fn free_bytes(folder: &Path) -> Result<u64, StoreError> {
    let stat = rustix::fs::statvfs(folder)
        .map_err(|error| StoreError::file("inspect", folder)(error.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Whether a folder is that of a queue: it has its database, or, where a server has the rows, its folder of recordings.
pub(crate) fn has_queue(root: &Path, has_rows: bool) -> Result<bool, StoreError> {
    let mark = if has_rows {
        database_of(root)
    } else {
        root.join("audio")
    };
    mark.try_exists().map_err(StoreError::file("inspect", mark))
}

fn database_of(root: &Path) -> PathBuf {
    root.join("steno.db")
}

pub(crate) fn create_folder(path: &Path) -> Result<(), StoreError> {
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(StoreError::file("create folder", path))
}

/// Steno deletes files in the folders it works in, so that those of others must not be there.
fn refuse_foreign_entries(root: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(root).map_err(StoreError::file("list", root))? {
        let name = entry.map_err(StoreError::file("list", root))?.file_name();
        let is_harmless = HARMLESS_ENTRIES.iter().any(|known| name == *known);
        if !is_harmless && !is_empty_folder_of_ours(root, &name) {
            return Err(StoreError::NotEmpty {
                path: root.to_owned(),
                entry: name.display().to_string(),
            });
        }
    }
    Ok(())
}

fn is_empty_folder_of_ours(root: &Path, name: &OsStr) -> bool {
    let is_ours = JOB_FOLDERS.iter().any(|known| name == *known);
    is_ours && fs::read_dir(root.join(name)).is_ok_and(|mut entries| entries.next().is_none())
}

/// Takes a file or folder from group and others, or refuses it where it belongs to another user:
/// recordings and transcripts are for the service alone. One that is not there is left out.
pub(crate) fn make_private(path: &Path) -> Result<(), StoreError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::file("inspect", path)(error)),
    };
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return Err(StoreError::ForeignOwner {
            path: path.to_owned(),
            owner: metadata.uid(),
            user,
        });
    }
    let mode = metadata.permissions().mode();
    if mode & FOR_OTHERS != 0 {
        let private = Permissions::from_mode(mode & 0o7777 & !FOR_OTHERS);
        fs::set_permissions(path, private).map_err(StoreError::file("make private", path))?;
        tracing::warn!(
            "{} was open to other users of this machine (mode {:o}) and is private now",
            path.display(),
            mode & 0o777
        );
    }
    Ok(())
}

/// Creates a file of ours and locks it (flock): the orphan scan leaves locked files alone.
pub(crate) fn create_locked(path: &Path) -> Result<File, StoreError> {
    loop {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options
            .open(path)
            .map_err(StoreError::file("create", path))?;
        file.lock().map_err(StoreError::file("lock", path))?;
        // A scan that ran between the two calls took it for an orphan and unlinked it.
        if file
            .metadata()
            .map_err(StoreError::file("inspect", path))?
            .nlink()
            > 0
        {
            return Ok(file);
        }
    }
}

/// Makes a rename, creation or unlink in `folder` survive power loss.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    let handle = File::open(folder).map_err(StoreError::file("open folder", folder))?;
    handle
        .sync_all()
        .map_err(StoreError::file("sync folder", folder))
}

/// Unlinks a file; one that is gone already counts as done. Returns whether it was there.
pub(crate) fn unlink(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::file("unlink", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_folder_with_anything_else_in_it_becomes_no_queue() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["lost+found", "weights", "audio"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("audio/interview.wav"), "mine").unwrap();
        assert!(matches!(
            DataDir::create(root.path()),
            Err(StoreError::NotEmpty { .. })
        ));
        assert!(matches!(
            DataDir::open(root.path()),
            Err(StoreError::NoQueue { .. })
        ));
        assert!(root.path().join("audio/interview.wav").exists());
        assert!(
            !root.path().join("spool").exists(),
            "a refused folder stays as it was"
        );

        fs::remove_file(root.path().join("audio/interview.wav")).unwrap();
        DataDir::create(root.path()).unwrap();
    }

    #[test]
    fn a_folder_that_is_missing_is_made_by_the_first_start_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("unmounted");
        assert!(matches!(
            DataDir::open(&path),
            Err(StoreError::NoQueue { .. })
        ));
        assert!(!path.exists());
        DataDir::create(&path).unwrap();
        assert_eq!(mode_of(&path), 0o700);
    }

    #[test]
    fn a_folder_that_others_can_read_is_made_private() {
        let root = tempfile::tempdir().unwrap();
        DataDir::create(root.path()).unwrap();
        let database = root.path().join("steno.db");
        let audio = root.path().join("audio");
        fs::write(&database, "").unwrap();
        for (path, mode) in [
            (root.path(), 0o755),
            (audio.as_path(), 0o2775),
            (database.as_path(), 0o644),
        ] {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        DataDir::open(root.path()).unwrap();
        assert_eq!(
            [mode_of(root.path()), mode_of(&audio), mode_of(&database)],
            [0o700, 0o700, 0o600]
        );
    }

    #[test]
    fn a_folder_that_was_moved_or_replaced_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        let data = DataDir::create(&path).unwrap();
        data.check_in_place().unwrap();
        fs::rename(&path, root.path().join("moved")).unwrap();
        assert!(matches!(
            data.check_in_place(),
            Err(StoreError::Moved { .. })
        ));
        fs::create_dir(&path).unwrap();
        assert!(
            matches!(data.check_in_place(), Err(StoreError::Moved { .. })),
            "another folder of its name"
        );
    }
}

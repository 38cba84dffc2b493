//! Recognises transcripts that Steno wrote, so that it replaces no other file.
//!
//! Called by [`crate::output`]. A transcript carries the SHA-256 of its content in an extended attribute. A file without
//! the attribute is not ours, and one whose content has changed was edited by its owner: neither is replaced. On file systems
//! without such attributes the SHA-256 is kept in the user's state folder instead, in a file named after a hash of the path.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, fsetxattr, getxattr};
use sha2::{Digest as _, Sha256};

/// The extended attribute with the SHA-256 of what was written.
const MARK: &str = "user.steno.sha256";

type Digest = [u8; 32];

/// Marks a file as a transcript of ours. `path` is where it is going to be.
pub(crate) fn mark(file: &File, path: &Path, content: &[u8]) {
    let digest: Digest = Sha256::digest(content).into();
    if fsetxattr(file, MARK, &digest, XattrFlags::empty()).is_ok() {
        return;
    }
    // A transcript that cannot be recorded counts as another program's file, which is safe.
    let _ = state_folder().map(|folder| record(&folder, path, &digest));
}

/// The folder of the records: in `XDG_STATE_HOME`, else in `~/.local/state`.
#[expect(
    clippy::disallowed_methods,
    reason = "the XDG folders are not settings of Steno"
)]
fn state_folder() -> Option<PathBuf> {
    let [state, home] = ["XDG_STATE_HOME", "HOME"].map(env::var_os);
    let is_absolute = |path: &PathBuf| path.is_absolute();
    let state = state.map(PathBuf::from).filter(is_absolute);
    let home = home.map(PathBuf::from).filter(is_absolute);
    let folder = state.or_else(|| home.map(|home| home.join(".local/state")))?;
    Some(folder.join("steno/written"))
}

/// The record of a transcript. Its name does not reveal the path.
fn record_path(folder: &Path, transcript: &Path) -> PathBuf {
    let name = Sha256::digest(OsStr::as_bytes(transcript.as_os_str()));
    let name = name.iter().fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    });
    folder.join(name)
}

fn record(folder: &Path, transcript: &Path, digest: &Digest) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(record_path(folder, transcript), digest)
}

/// What was recorded of a transcript.
fn recorded(folder: &Path, transcript: &Path) -> Option<Digest> {
    fs::read(record_path(folder, transcript))
        .ok()?
        .try_into()
        .ok()
}

/// Whether writing to a path destroys nothing: there is no file, an empty one, or an unchanged transcript of ours.
pub(crate) fn is_replaceable(path: &Path) -> bool {
    if path.symlink_metadata().is_err() {
        return true;
    }
    let Ok(path) = path.canonicalize() else {
        return false;
    };
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => false,
        Ok(metadata) if metadata.len() == 0 => true,
        Ok(_) => is_ours(&path),
        Err(_) => false,
    }
}

fn is_ours(path: &Path) -> bool {
    let mut marked = Digest::default();
    let is_marked = getxattr(path, MARK, &mut marked).is_ok_and(|length| length == marked.len());
    let expected = if is_marked {
        Some(marked)
    } else {
        state_folder().and_then(|folder| recorded(&folder, path))
    };
    let Some(expected) = expected else {
        return false;
    };
    fs::read(path).is_ok_and(|content| Sha256::digest(content)[..] == expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_one_transcript_say_nothing_about_another() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state/steno/written");
        let talk = Path::new("/talks/talk.txt");
        assert_eq!(recorded(&state, talk), None);

        let digest: Digest = Sha256::digest("hello").into();
        record(&state, talk, &digest).unwrap();
        assert_eq!(recorded(&state, talk), Some(digest));
        assert_eq!(recorded(&state, Path::new("/talks/other.txt")), None);

        let names = fs::read_dir(&state).unwrap();
        for name in names.map(|entry| entry.unwrap().file_name()) {
            assert!(!name.to_string_lossy().contains("talk"), "{name:?}");
        }
    }

    #[test]
    fn only_unchanged_transcripts_of_ours_are_replaceable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.txt");
        assert!(is_replaceable(&path), "there is nothing");

        fs::write(&path, "").unwrap();
        assert!(is_replaceable(&path), "it is empty");

        fs::write(&path, "my notes").unwrap();
        assert!(
            !is_replaceable(&path),
            "a file without our mark is not replaced"
        );

        mark(
            &File::open(&path).unwrap(),
            &path.canonicalize().unwrap(),
            b"my notes",
        );
        assert!(is_replaceable(&path), "it is ours");

        fs::write(&path, "my notes, corrected").unwrap();
        assert!(!is_replaceable(&path), "it was edited");
        assert!(!is_replaceable(folder.path()));

        let dangling = folder.path().join("link.txt");
        std::os::unix::fs::symlink(folder.path().join("gone.txt"), &dangling).unwrap();
        assert!(!is_replaceable(&dangling));
    }
}

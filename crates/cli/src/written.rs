//! Recognises transcripts that Steno wrote, so that it replaces no other file.
//!
//! Called by [`crate::output`]. A transcript carries the SHA-256 of its content in an extended attribute. A file without
//! the attribute is not ours, and one whose content has changed was edited by its owner: neither is replaced.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{XattrFlags, fsetxattr, getxattr};
use sha2::{Digest as _, Sha256};

/// The extended attribute with the SHA-256 of what was written.
const MARK: &str = "user.steno.sha256";

type Digest = [u8; 32];

/// What this process wrote on file systems without extended attributes: `--watch` writes to the same place again.
static UNMARKED: Mutex<BTreeMap<PathBuf, Digest>> = Mutex::new(BTreeMap::new());

/// Marks a file as a transcript of ours. `path` is where it is going to be.
pub(crate) fn mark(file: &File, path: &Path, content: &[u8]) {
    let digest: Digest = Sha256::digest(content).into();
    let marked = fsetxattr(file, MARK, &digest, XattrFlags::empty());
    let mut unmarked = UNMARKED.lock().unwrap_or_else(PoisonError::into_inner);

    match marked {
        Ok(()) => unmarked.remove(path),
        Err(_) => unmarked.insert(path.to_owned(), digest),
    };
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
    let unmarked = UNMARKED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(path)
        .copied();

    let Some(expected) = is_marked.then_some(marked).or(unmarked) else {
        return false;
    };
    fs::read(path).is_ok_and(|content| Sha256::digest(content)[..] == expected)
}

#[cfg(test)]
mod tests {
    use super::*;

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

//! Files of this process are for its user alone.

use rustix::fs::Mode;

/// Makes files and folders that this process and its children create readable by its own user only,
/// whatever umask it was started with: recordings and transcripts are among them.
pub fn keep_files_private() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_made_afterwards_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        rustix::process::umask(Mode::empty());
        keep_files_private();
        std::fs::write(&file, "text").unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

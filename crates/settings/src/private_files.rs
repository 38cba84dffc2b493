//! Files of this process are for its user alone.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Makes files and folders that this process and its children create readable by its own user only,
/// whatever umask it was started with: recordings and transcripts are among them.
pub fn keep_files_private() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Makes the kernel write no core dump of this process, in which recordings and transcripts would be. Not even through
/// a pipe: that ignores a limit of 0, and refuses one of 1 (core(5)).
pub fn leave_no_core() {
    let limit = Rlimit {
        current: Some(1),
        maximum: Some(1),
    };
    let was = getrlimit(Resource::Core);
    if was.maximum.is_none_or(|most| most > 1) {
        // Without it, what the service manager has set holds.
        let _ = setrlimit(Resource::Core, limit);
    }
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

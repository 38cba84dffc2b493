//! Ends a daemon and deletes its folder when the test process is gone, even if it was killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A shell that waits for the end of its standard input, which closes with this value or with the process.
pub(crate) struct Cleanup {
    shell: Child,
}

impl Cleanup {
    /// After the end, deletes `folder`.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        Self::of(Path::new("/nonexistent"), folder)
    }

    /// After the end, sends SIGQUIT to the process whose id is the first line of `pid_file`, and deletes `folder`.
    pub(crate) fn of(pid_file: &Path, folder: &Path) -> Self {
        // The program may still write until it is gone. It gets 30 s, so that a hung one does not hang the test.
        let script = r#"trap '' INT TERM HUP
            read -r _
            pid=$(head -n 1 "$1" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
            tries=300
            while [ -n "$pid" ] && [ "$tries" -gt 0 ] && kill -0 "$pid" 2>/dev/null; do
                sleep 0.1
                tries=$((tries - 1))
            done
            rm -rf "$2"
            "#;
        let shell = Command::new("sh")
            .args(["-c", script, "cleanup"])
            .args([pid_file, folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .spawn()
            .unwrap();
        Self { shell }
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().ok();
    }
}

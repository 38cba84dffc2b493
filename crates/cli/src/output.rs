//! Where a transcript goes.

use std::fmt;
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use steno_models::Format;

use crate::{print, written};

/// Where a transcript goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Standard output.
    Standard,
    /// A file that the user named: it is replaced. It appears whole or not at all.
    File(PathBuf),
    /// A file whose name was made from the recording's: only an earlier transcript of ours is replaced.
    Beside(PathBuf),
}

impl Output {
    /// For one of several transcripts: as named; into the folder that is named; beside the recording if it is to be a file; else
    /// standard output.
    pub(crate) fn choose(
        argument: Option<&str>,
        recording: &Path,
        to_file: bool,
        format: Format,
    ) -> Self {
        let beside = recording.with_extension(format.extension());
        match argument {
            Some(folder) if Path::new(folder).is_dir() => {
                Self::Beside(Path::new(folder).join(beside.file_name().unwrap_or_default()))
            }
            Some("-") => Self::Standard,
            Some(argument) => Self::File(PathBuf::from(argument)),
            None if to_file => Self::Beside(beside),
            None => Self::Standard,
        }
    }

    /// The same place. A file that is there is replaced.
    pub(crate) fn forced(self) -> Self {
        match self {
            Self::Beside(path) => Self::File(path),
            other => other,
        }
    }

    /// Whether writing would destroy a file that is not ours to replace.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self, Self::Beside(path) if !written::is_replaceable(path))
    }

    /// Writes the transcript so that it survives power loss.
    pub(crate) fn write(&self, transcript: &[u8]) -> io::Result<()> {
        let Some(path) = self.path() else {
            return print::bytes(transcript);
        };
        // Checked before the upload as well, but that may be hours ago.
        if self.is_taken() {
            let problem = "another file has come there; --force replaces it";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
        }
        // A new file has the permissions that the umask leaves.
        replace(path, transcript, 0o666, true)
    }

    /// The file, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Standard => None,
            Self::File(path) | Self::Beside(path) => Some(path),
        }
    }
}

/// Replaces a file that is no transcript. A new one can be read by its owner only.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, content, 0o600, false)
}

fn replace(path: &Path, content: &[u8], new_mode: u32, is_transcript: bool) -> io::Result<()> {
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        // A pipe or a device: written into, not replaced.
        return std::fs::OpenOptions::new()
            .write(true)
            .open(path)?
            .write_all(content);
    }
    // A symbolic link stays one, and a file that only its owner may read stays so.
    let folder = folder_of(path).canonicalize()?;
    let there = path.canonicalize();
    let path = there.unwrap_or_else(|_| folder.join(path.file_name().unwrap_or_default()));
    let folder = folder_of(&path);
    let permissions = path.metadata().map_or_else(
        |_| Permissions::from_mode(new_mode),
        |there| there.permissions(),
    );

    let mut file = tempfile::Builder::new()
        .permissions(permissions)
        .tempfile_in(folder)?;
    file.write_all(content)?;
    if is_transcript {
        written::mark(file.as_file(), &path, content);
    }
    file.as_file().sync_all()?;
    file.persist(&path)?;
    std::fs::File::open(folder)?.sync_all()
}

/// The folder a path is in; the current one if it names none.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => f.write_str("standard output"),
            Self::File(path) | Self::Beside(path) => f.write_str(&print::name(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_chosen_as_people_expect() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().to_str().unwrap();
        let check = |argument, to_file, expected: Output| {
            let output = Output::choose(argument, Path::new("talks/one.mp3"), to_file, Format::Srt);
            assert_eq!(output, expected);
        };
        check(None, false, Output::Standard);
        check(Some("-"), false, Output::Standard);
        check(None, true, Output::Beside("talks/one.srt".into()));
        check(Some("out.srt"), false, Output::File("out.srt".into()));
        check(
            Some(named),
            true,
            Output::Beside(folder.path().join("one.srt")),
        );
    }

    #[test]
    fn a_file_that_has_come_since_is_not_replaced_and_a_transcript_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.txt");
        let output = Output::Beside(path.clone());
        output.write(b"first").unwrap();
        output.write(b"second").unwrap();

        std::fs::write(&path, "corrected by hand").unwrap();
        assert!(output.is_taken());
        assert_eq!(
            output.write(b"third").unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "corrected by hand");

        output.forced().write(b"third").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "third");
    }

    #[test]
    fn a_file_that_is_replaced_keeps_its_permissions_and_its_links() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (
            folder.path().join("out.txt"),
            folder.path().join("link.txt"),
        );
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        Output::File(link.clone()).write(b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(link.is_symlink());
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.txt");
        for text in ["first", "second"] {
            Output::File(path.clone()).write(text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(
            Output::File(folder.path().join("no/such/folder"))
                .write(b"x")
                .is_err()
        );
    }
}

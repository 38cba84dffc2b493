//! Where a transcript goes.

use std::fmt;
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use steno_models::Format;

use crate::print;

/// Where a transcript goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Standard output.
    Standard,
    /// A file, which appears whole or not at all.
    File(PathBuf),
}

impl Output {
    /// For one of several transcripts: as named; into the folder that is named; beside the recording if it is to be a file; else
    /// standard output.
    pub(crate) fn choose(argument: Option<&str>, recording: &Path, to_file: bool, format: Format) -> Self {
        let beside = recording.with_extension(format.extension());
        match argument {
            Some(folder) if Path::new(folder).is_dir() => {
                Self::File(Path::new(folder).join(beside.file_name().unwrap_or_default()))
            }
            Some("-") => Self::Standard,
            Some(argument) => Self::File(PathBuf::from(argument)),
            None if to_file => Self::File(beside),
            None => Self::Standard,
        }
    }

    /// Writes the transcript so that it survives power loss.
    pub(crate) fn write(&self, transcript: &[u8]) -> io::Result<()> {
        // A new file is as if it were created directly: what the umask leaves.
        self.write_with(transcript, 0o666)
    }

    /// The same; a new file can be read by its owner only.
    pub(crate) fn write_private(&self, content: &[u8]) -> io::Result<()> {
        self.write_with(content, 0o600)
    }

    fn write_with(&self, transcript: &[u8], new_mode: u32) -> io::Result<()> {
        let Self::File(path) = self else {
            return print::bytes(transcript);
        };
        if path.metadata().is_ok_and(|there| !there.is_file()) {
            // A pipe or a device: written into, not replaced.
            return std::fs::OpenOptions::new().write(true).open(path)?.write_all(transcript);
        }
        // A symbolic link stays one, and a file that only its owner may read stays so.
        let there = path.canonicalize();
        let path = there.as_deref().unwrap_or(path);
        let folder = folder_of(path);
        let permissions =
            path.metadata().map_or_else(|_| Permissions::from_mode(new_mode), |there| there.permissions());
        let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(folder)?;
        file.write_all(transcript)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        std::fs::File::open(folder)?.sync_all()
    }
}

impl Output {
    /// The file, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Standard => None,
            Self::File(path) => Some(path),
        }
    }
}

/// The folder a path is in; the current one if it names none.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => f.write_str("standard output"),
            Self::File(path) => path.display().fmt(f),
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
        let check = |argument, to_file, expected: Option<&Path>| {
            let output = Output::choose(argument, Path::new("talks/one.mp3"), to_file, Format::Srt);
            assert_eq!(output, expected.map_or(Output::Standard, |path| Output::File(path.to_owned())));
        };
        check(None, false, None);
        check(Some("-"), false, None);
        check(None, true, Some(Path::new("talks/one.srt")));
        check(Some("out.srt"), false, Some(Path::new("out.srt")));
        check(Some(named), true, Some(&folder.path().join("one.srt")));
    }

    #[test]
    fn a_file_that_is_replaced_keeps_its_permissions_and_its_links() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("out.txt"), folder.path().join("link.txt"));
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
        assert!(Output::File(folder.path().join("no/such/folder")).write(b"x").is_err());
    }
}

//! A recording on its way from disk to the server.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;

use crate::progress::upload_bar;

/// A file to upload.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    path: PathBuf,
}

/// Its bytes, read once from start to end. Exactly as many as were announced, or an error.
pub(crate) struct RecordingBody {
    file: File,
    path: PathBuf,
    length: u64,
    sent: u64,
    problem: Option<String>,
    bar: ProgressBar,
}

impl Recording {
    /// Checks that there is something to send.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let recording = Self { path: path.to_owned() };
        recording.open().map(|_| recording)
    }

    /// What to call it towards the user.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// Opens it for one upload.
    pub(super) fn open(&self) -> Result<RecordingBody> {
        let context = || format!("cannot read {}", self.path.display());
        // Looked at first: opening a pipe would wait for its writer.
        let metadata = self.path.metadata().with_context(context)?;
        if !metadata.is_file() {
            bail!("{} is not a file", self.path.display());
        }
        if metadata.len() == 0 {
            bail!("{} is empty", self.path.display());
        }
        let file = File::open(&self.path).with_context(context)?;
        let bar = upload_bar(&self.name(), metadata.len());
        Ok(RecordingBody { file, path: self.path.clone(), length: metadata.len(), sent: 0, problem: None, bar })
    }
}

impl RecordingBody {
    /// Bytes in all.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Bytes read so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Why it could not be read to its end, if that was the reason of a failed upload.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    fn fail(&mut self, problem: String) -> io::Error {
        self.problem = Some(problem.clone());
        io::Error::other(problem)
    }
}

impl Read for RecordingBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length - self.sent;
        match self.file.by_ref().take(left).read(buffer) {
            // The HTTP client would wait for the missing bytes for ever.
            Ok(0) if left > 0 && !buffer.is_empty() => {
                Err(self.fail(format!("{} became shorter during the upload", self.path.display())))
            }
            Ok(count) => {
                self.sent += count as u64;
                self.bar.set_position(self.sent);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => Err(self.fail(format!("cannot read {}: {error}", self.path.display()))),
        }
    }
}

impl Drop for RecordingBody {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_sent_is_refused_before_a_call() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.wav");
        std::fs::write(&empty, "").unwrap();
        assert!(Recording::new(&empty).unwrap_err().to_string().contains("is empty"));
        assert!(Recording::new(folder.path()).unwrap_err().to_string().contains("is not a file"));
        assert!(Recording::new(&folder.path().join("none")).unwrap_err().to_string().contains("cannot read"));
    }

    #[test]
    fn exactly_the_announced_bytes_are_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        std::fs::write(&path, "12345678").unwrap();
        let recording = Recording::new(&path).unwrap();
        let mut grows = recording.open().unwrap();
        std::fs::write(&path, "123456789").unwrap();
        assert_eq!(io::read_to_string(&mut grows).unwrap(), "12345678");
        let mut shrinks = recording.open().unwrap();
        std::fs::write(&path, "1234").unwrap();
        assert!(io::read_to_string(&mut shrinks).is_err());
        assert!(shrinks.problem().unwrap().contains("became shorter"));
    }
}

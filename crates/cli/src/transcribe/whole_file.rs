//! A recording that is uploaded whole or not at all.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};

/// A file that must not end before the length that was announced for it.
pub(super) struct WholeFile<'a> {
    pub(super) file: File,
    pub(super) left: u64,
    /// Why it could not be read to its end.
    pub(super) problem: &'a RefCell<Option<String>>,
}

impl Read for WholeFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = (&mut self.file)
            .take(self.left)
            .read(buffer)
            .inspect_err(|error| {
                self.problem.replace(Some(error.to_string()));
            })?;
        if length == 0 && self.left > 0 && !buffer.is_empty() {
            let problem = "the recording became shorter while it was sent";
            self.problem.replace(Some(problem.to_owned()));
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
        }
        self.left -= length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_that_shrinks_is_an_error_and_one_that_grows_is_cut() {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), b"12345").unwrap();
        let read = |left| {
            let mut bytes = Vec::new();
            let problem = RefCell::new(None);
            let mut file = WholeFile {
                file: File::open(path.path()).unwrap(),
                left,
                problem: &problem,
            };
            let outcome = file.read_to_end(&mut bytes).map(|_| bytes);
            assert_eq!(outcome.is_err(), problem.borrow().is_some());
            outcome
        };
        assert_eq!(read(5).unwrap(), b"12345");
        assert_eq!(read(4).unwrap(), b"1234");
        assert_eq!(read(6).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}

//! The messages between the worker and a decoder process.

use std::io::{self, PipeReader, Read};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;
use serde::{Deserialize, Serialize};

use crate::audio::{AudioError, Limits, Recording, Selection};

/// How long the worker waits for a message before it does other work.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// Longest message: a week of speech has a third of it.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// Longest text accepted from a process that may be compromised, in characters.
const MAX_TEXT: usize = 300;

/// Settings of the process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) limits: Limits,
    pub(super) memory_bytes: u64,
    /// What to take of the recording.
    pub(super) selection: Selection,
    /// The samples come from standard input, and not from the file.
    pub(super) is_piped: bool,
    /// Process id of the worker.
    pub(super) worker: u32,
}

/// What it says, a JSON value a line.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Message {
    /// A sign of life.
    Alive,
    /// What of the sandbox could not be set up, and why.
    Unprotected(String),
    /// The spool is written.
    Prepared(Recording),
    /// There is no recording.
    Failed(Failed),
}

/// What came out of the pipe.
#[derive(Debug, PartialEq)]
pub(super) enum Received {
    Message(Message),
    /// A line that is no message, such as a library's error output.
    Words(String),
    /// No complete line within a tick.
    Nothing,
    /// The other end is closed.
    End,
}

/// The worker's end of the pipe.
pub(super) struct Answers {
    pipe: PipeReader,
    bytes: Vec<u8>,
    /// How many of them are known to hold no end of a line.
    searched: usize,
}

impl Answers {
    pub(super) fn new(pipe: PipeReader) -> Self {
        Self {
            pipe,
            bytes: Vec::new(),
            searched: 0,
        }
    }

    /// Waits for a tick and reads at most once, whatever comes, so that the caller can look after other things.
    pub(super) fn receive(&mut self) -> io::Result<Received> {
        if let Some(received) = self.take_line() {
            return Ok(received);
        }
        if self.bytes.len() > MAX_MESSAGE_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the message has no end",
            ));
        }
        match poll(&mut [PollFd::new(&self.pipe, PollFlags::IN)], Some(&TICK)) {
            Ok(0) | Err(Errno::INTR) => return Ok(Received::Nothing),
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        let mut bytes = [0; 8192];
        match self.pipe.read(&mut bytes)? {
            0 => Ok(Received::End),
            count => {
                self.bytes.extend_from_slice(&bytes[..count]);
                Ok(self.take_line().unwrap_or(Received::Nothing))
            }
        }
    }

    fn take_line(&mut self) -> Option<Received> {
        let Some(length) = self.bytes[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n')
        else {
            self.searched = self.bytes.len();
            return None;
        };
        let line: Vec<_> = self.bytes.drain(..=self.searched + length).collect();
        self.searched = 0;
        let message = serde_json::from_slice(&line);
        Some(message.map_or_else(
            |_| Received::Words(shortened(&String::from_utf8_lossy(&line))),
            Received::Message,
        ))
    }
}

/// The text, cut to the accepted length.
pub(super) fn shortened(text: &str) -> String {
    text.trim_end().chars().take(MAX_TEXT).collect()
}

/// An [`AudioError`] that can be written down.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Failed {
    UnsupportedMedia(String),
    NeedsFfmpeg(String),
    CorruptAudio(String),
    EmptyAudio,
    TooLong { limit_seconds: u64 },
    Stopped,
    Input(IoFailure),
    Spool(IoFailure),
}

/// An [`io::Error`] that can be written down: the system's number where it has one.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct IoFailure {
    number: Option<i32>,
    message: String,
}

impl From<AudioError> for Failed {
    fn from(error: AudioError) -> Self {
        match error {
            AudioError::UnsupportedMedia(reason) => Self::UnsupportedMedia(reason),
            AudioError::NeedsFfmpeg(format) => Self::NeedsFfmpeg(format),
            AudioError::CorruptAudio(reason) => Self::CorruptAudio(reason),
            AudioError::EmptyAudio => Self::EmptyAudio,
            AudioError::TooLong { limit_seconds } => Self::TooLong { limit_seconds },
            AudioError::Stopped => Self::Stopped,
            // An allocation failed under the decoder's own limit. The kernel's ENOMEM has a number, and is
            // an error of the machine.
            AudioError::Input(error)
                if error.kind() == io::ErrorKind::OutOfMemory && error.raw_os_error().is_none() =>
            {
                Self::CorruptAudio("it takes far too much memory".into())
            }
            AudioError::Input(error) => Self::Input(error.into()),
            AudioError::Spool(error) => Self::Spool(error.into()),
        }
    }
}

impl From<Failed> for AudioError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::UnsupportedMedia(reason) => Self::UnsupportedMedia(shortened(&reason)),
            Failed::NeedsFfmpeg(format) => Self::NeedsFfmpeg(shortened(&format)),
            Failed::CorruptAudio(reason) => Self::CorruptAudio(shortened(&reason)),
            Failed::EmptyAudio => Self::EmptyAudio,
            Failed::TooLong { limit_seconds } => Self::TooLong { limit_seconds },
            Failed::Stopped => Self::Stopped,
            Failed::Input(error) => Self::Input(error.into()),
            Failed::Spool(error) => Self::Spool(error.into()),
        }
    }
}

impl From<io::Error> for IoFailure {
    fn from(error: io::Error) -> Self {
        Self {
            number: error.raw_os_error(),
            message: error.to_string(),
        }
    }
}

impl From<IoFailure> for io::Error {
    fn from(failure: IoFailure) -> Self {
        failure.number.map_or_else(
            || Self::other(shortened(&failure.message)),
            Self::from_raw_os_error,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The error as the worker reports it.
    fn sent_over(error: AudioError) -> AudioError {
        let line = serde_json::to_string(&Message::Failed(error.into())).unwrap();
        match serde_json::from_str(&line).unwrap() {
            Message::Failed(failed) => failed.into(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_recording_over_the_memory_limit_is_not_an_error_of_the_machine() {
        let own_limit = AudioError::Input(io::ErrorKind::OutOfMemory.into());
        assert!(matches!(sent_over(own_limit), AudioError::CorruptAudio(_)));

        let machine = AudioError::Input(io::Error::from_raw_os_error(12));
        assert!(matches!(sent_over(machine), AudioError::Input(_)));
    }

    #[test]
    fn a_full_disk_is_one_on_the_other_side_too() {
        let full = io::Error::from_raw_os_error(Errno::NOSPC.raw_os_error());
        let AudioError::Spool(error) = sent_over(AudioError::Spool(full)) else {
            panic!("another error")
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let AudioError::Input(error) = sent_over(AudioError::Input(io::Error::other("odd"))) else {
            panic!("another error")
        };
        assert_eq!(error.to_string(), "odd");
    }

    #[test]
    fn what_is_said_about_a_file_stays_the_same() {
        for error in [
            || AudioError::UnsupportedMedia("a kind".into()),
            || AudioError::NeedsFfmpeg("a format".into()),
            || AudioError::CorruptAudio("a reason".into()),
            || AudioError::EmptyAudio,
            || AudioError::TooLong { limit_seconds: 7 },
            || AudioError::Stopped,
        ] {
            assert_eq!(sent_over(error()).to_string(), error().to_string());
        }
    }

    #[test]
    fn lines_are_put_together_whatever_their_pieces() {
        let (pipe, mut other) = io::pipe().unwrap();
        let mut answers = Answers::new(pipe);
        assert_eq!(answers.receive().unwrap(), Received::Nothing);
        other.write_all(b"\"Ali").unwrap();
        assert_eq!(answers.receive().unwrap(), Received::Nothing);
        other
            .write_all(b"ve\"\n{\"Unprotected\":\"so\"}\nout of luck\n\"Alive\"")
            .unwrap();
        let expected = [
            Received::Message(Message::Alive),
            Received::Message(Message::Unprotected("so".to_owned())),
            Received::Words("out of luck".to_owned()),
            Received::Nothing,
        ];
        for received in expected {
            assert_eq!(answers.receive().unwrap(), received);
        }
        drop(other);
        assert_eq!(
            answers.receive().unwrap(),
            Received::End,
            "what has no end of a line is no message"
        );
    }

    #[test]
    fn a_message_without_an_end_is_an_error() {
        let (pipe, mut other) = io::pipe().unwrap();
        let endless = std::thread::spawn(move || while other.write_all(&[b'x'; 8192]).is_ok() {});
        let mut answers = Answers::new(pipe);
        let error = loop {
            match answers.receive() {
                Ok(received) => assert_eq!(received, Received::Nothing),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        drop(answers);
        endless.join().unwrap();
    }

    #[test]
    fn texts_are_cut() {
        let AudioError::CorruptAudio(reason) = Failed::CorruptAudio("é".repeat(1000)).into()
        else {
            panic!("another")
        };
        assert_eq!(reason.chars().count(), MAX_TEXT);
    }
}

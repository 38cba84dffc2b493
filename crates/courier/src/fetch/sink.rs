//! Where a download goes: a file of the store, its progress, and the limits of its owner and of the disk.

use std::error::Error;
use std::io;
use std::mem;
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use steno_store::{
    AudioUpload, Claim, FetchNoted, FetchPart, FetchProgress, FetchTask, Store, StoreError,
    StoredAudio,
};
use tokio::task::block_in_place;

use super::failure::Refusal;
use super::web_page::is_web_page;
use crate::download::{Beginning, DownloadError, Sink};

/// Pause between two notes of the progress.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes from the start that are checked for a web page.
const HEAD_BYTES: usize = 512;

/// Why the sink takes no more bytes.
#[derive(Debug)]
pub(super) enum SinkError {
    /// Nothing is wrong here: the download itself failed.
    None,
    /// The claim is lost, or the process is to stop.
    Stopped,
    /// The disk has no more free bytes than its reserve.
    DiskFull,
    /// The download is refused as a recording.
    Refused(Refusal),
    /// The store cannot be written to.
    Store(StoreError),
}

/// A file of the store that a download is written to. If it is dropped, the file is deleted.
pub(super) struct FileSink<'a> {
    store: &'a Store,
    claim: &'a Claim,
    max_stored_bytes: Option<u64>,
    file: AudioUpload,
    /// The first bytes.
    head: Vec<u8>,
    noted: FetchProgress,
    noted_at: Instant,
    error: SinkError,
}

impl<'a> FileSink<'a> {
    /// Opens the file, which may have the beginning of the recording from an earlier attempt.
    pub(super) fn begin(
        store: &'a Store,
        claim: &'a Claim,
        input: &FetchTask,
        disk_reserve_bytes: u64,
    ) -> Result<Self, SinkError> {
        // Before the server is asked: with a full disk, this is repeated every few seconds.
        if store.data().free_bytes()? < disk_reserve_bytes {
            return Err(SinkError::DiskFull);
        }
        let (mut file, mut progress) = store.begin_download(claim, disk_reserve_bytes)?;
        // The check for a web page needs the first bytes together, so a shorter beginning is fetched again.
        let is_continued = progress.bytes >= HEAD_BYTES as u64;
        if !is_continued {
            file.clear()?;
            progress = FetchProgress::default();
        }
        let mut sink = Self {
            store,
            claim,
            max_stored_bytes: input.max_stored_bytes,
            file,
            head: vec![0; if is_continued { HEAD_BYTES } else { 0 }],
            noted: FetchProgress::default(),
            noted_at: Instant::now(),
            error: SinkError::None,
        };
        sink.note(progress)?;
        Ok(sink)
    }

    /// What an earlier attempt has received, if it can be continued.
    pub(super) fn beginning(&self) -> Option<Beginning> {
        let part = self.noted.part.as_ref()?;
        let validator = HeaderValue::from_str(&part.validator).ok()?;

        (self.noted.bytes > 0).then(|| Beginning {
            bytes: self.noted.bytes,
            total: self.noted.total,
            validator,
        })
    }

    /// Ends a download that failed with `error`. Returns why: the sink's own error, if it has one. Its bytes are left for the next
    /// attempt if there is one.
    pub(super) fn give_up(mut self, error: &DownloadError, is_process_ending: bool) -> SinkError {
        match mem::replace(&mut self.error, SinkError::None) {
            SinkError::None if matches!(error, DownloadError::Stopped) => {
                if is_process_ending {
                    self.file.leave();
                }
                SinkError::Stopped
            }
            SinkError::None => {
                if error.is_temporary() {
                    self.leave_with_problem(error.code());
                }
                SinkError::None
            }
            cause => cause,
        }
    }

    /// Leaves the bytes, and stores why the attempt has failed, so that the status shows it until the next attempt.
    fn leave_with_problem(mut self, reason: &str) {
        let progress = FetchProgress {
            bytes: self.file.bytes(),
            problem: Some(reason.to_owned()),
            ..self.noted.clone()
        };
        match self.note(progress) {
            Ok(()) => self.file.leave(),
            // No error is needed here: if the store is at fault, storing the failure fails next. The bytes are deleted, because
            // another process may have the claim.
            Err(error) => {
                let cause = match &error {
                    SinkError::Store(error) => Some(error as &dyn Error),
                    _ => None,
                };
                tracing::debug!(error = cause, "cannot note the progress of a download");
            }
        }
    }

    /// Makes the recording durable.
    pub(super) fn finish(mut self) -> Result<StoredAudio, SinkError> {
        let bytes = self.file.bytes();
        self.note(FetchProgress {
            bytes,
            total: Some(bytes),
            problem: None,
            part: None,
        })?;

        self.file.store().map_err(SinkError::from)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if self.head.len() < HEAD_BYTES {
            let wanted = bytes.len().min(HEAD_BYTES - self.head.len());
            self.head.extend_from_slice(&bytes[..wanted]);
            if is_web_page(&self.head) {
                return Err(SinkError::Refused(Refusal::WebPage));
            }
        }

        Ok(self.file.write(bytes)?)
    }

    /// Stores the progress if it has changed, and checks the owner's limit on stored bytes.
    fn note(&mut self, progress: FetchProgress) -> Result<(), SinkError> {
        // The download calls this from async code, where a session of PostgreSQL must not block. Elsewhere, `block_in_place` does nothing.
        let noted = block_in_place(|| {
            self.store
                .note_fetch(self.claim, &progress, self.max_stored_bytes)
        })?;
        self.noted = progress;
        self.noted_at = Instant::now();

        match noted {
            FetchNoted::Stored => Ok(()),
            FetchNoted::ClaimLost => Err(SinkError::Stopped),
            FetchNoted::QuotaExceeded(limit) => Err(SinkError::Refused(Refusal::Quota(limit))),
        }
    }

    fn keep(&mut self, outcome: Result<(), SinkError>) -> bool {
        match outcome {
            Ok(()) => true,
            Err(error) => {
                self.error = error;
                false
            }
        }
    }
}

impl Sink for FileSink<'_> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let outcome = self.take(bytes);
        if self.keep(outcome) {
            Ok(())
        } else {
            Err(io::ErrorKind::Other.into())
        }
    }

    fn restart(&mut self) -> io::Result<()> {
        self.head.clear();
        let outcome = self.file.clear().map_err(SinkError::from);
        if self.keep(outcome) {
            Ok(())
        } else {
            Err(io::ErrorKind::Other.into())
        }
    }

    fn announce(&mut self, total: Option<u64>, validator: Option<&HeaderValue>) -> bool {
        let validator = validator
            .filter(|_| self.file.can_be_continued())
            .and_then(|value| value.to_str().ok());
        // Before its first byte is written: the bytes in the file must never be taken for those of another recording.
        let outcome = self.note(FetchProgress {
            bytes: 0,
            total,
            problem: None,
            part: validator.map(|value| FetchPart::of_this_boot(value.to_owned())),
        });
        self.keep(outcome)
    }

    fn report(&mut self, bytes: u64, total: Option<u64>) -> bool {
        let progress = FetchProgress {
            bytes,
            total,
            problem: None,
            part: self.noted.part.clone(),
        };
        let is_new_total = self.noted.total != total;
        let is_due = is_new_total || self.noted_at.elapsed() >= NOTE_INTERVAL;
        if progress == self.noted || !is_due {
            return true;
        }

        let outcome = self.note(progress);
        self.keep(outcome)
    }
}

impl From<StoreError> for SinkError {
    fn from(error: StoreError) -> Self {
        if error.is_disk_full() {
            Self::DiskFull
        } else {
            Self::Store(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use steno_models::TranscribeRequest;
    use steno_store::{JobAudio, RunRole, TaskInput, TaskKind, WorkerRun};

    use super::*;
    use crate::outbound::OutboundError;
    use crate::test_queue::TestQueue;

    /// A queue with one job, whose recording is to be fetched.
    fn queue() -> TestQueue {
        let queue = TestQueue::new();
        let task = FetchTask {
            url: "https://example.org/talk".parse().unwrap(),
            max_bytes: 10_000,
            max_stored_bytes: None,
        };
        queue.submit(JobAudio::at_url(task), TranscribeRequest::default());
        queue
    }

    /// A new courier, with the claim of the download.
    fn courier(queue: &TestQueue) -> (WorkerRun, Claim) {
        let run = queue.begin_run(RunRole::Courier);
        let claim = queue.claim(&run, TaskKind::Fetch);
        (run, claim)
    }

    fn sink<'a>(queue: &'a TestQueue, claim: &'a Claim) -> FileSink<'a> {
        let TaskInput::Fetch(input) = &claim.task else {
            panic!("{:?}", claim.task);
        };
        FileSink::begin(&queue.store, claim, input, 0).unwrap()
    }

    fn files(queue: &TestQueue) -> usize {
        let incoming = queue.folder.path().join("incoming");
        incoming.read_dir().unwrap().count()
    }

    /// Receives 1,000 bytes of a recording that its server knows by this tag.
    fn receive(sink: &mut FileSink<'_>, tag: &'static str, byte: u8) {
        let tag = HeaderValue::from_static(tag);
        assert!(sink.announce(Some(2000), Some(&tag)));
        sink.append(&[byte; 1000]).unwrap();
    }

    fn cut_short() -> DownloadError {
        OutboundError::CutShort.into()
    }

    #[test]
    fn bytes_of_one_recording_are_never_continued_by_the_validator_of_another() {
        let queue = queue();
        let (run, lost) = courier(&queue);
        let mut frozen = sink(&queue, &lost);
        receive(&mut frozen, "\"one\"", 1);
        drop(run);

        // The frozen courier still has the usual file locked, so the next one creates a file of another name.
        let (run, claim) = courier(&queue);
        let mut other = sink(&queue, &claim);
        receive(&mut other, "\"two\"", 2);
        other.give_up(&DownloadError::Stopped, true);
        frozen.give_up(&DownloadError::Stopped, true);
        drop(run);

        let (_run, claim) = courier(&queue);
        let next = sink(&queue, &claim);
        assert!(next.beginning().is_none());
        assert_eq!(next.file.bytes(), 0);
    }

    #[test]
    fn a_courier_that_has_lost_its_claim_leaves_no_bytes() {
        let queue = queue();
        let (run, lost) = courier(&queue);
        let mut late = sink(&queue, &lost);
        receive(&mut late, "\"one\"", 1);
        drop(run);
        let (_run, _claim) = courier(&queue);

        assert_eq!(files(&queue), 1);
        late.give_up(&cut_short(), false);
        assert_eq!(files(&queue), 0);
    }

    #[test]
    fn a_download_that_breaks_off_leaves_its_bytes_to_the_next_attempt() {
        let queue = queue();
        let (run, claim) = courier(&queue);
        let mut broken = sink(&queue, &claim);
        receive(&mut broken, "\"one\"", 1);
        broken.give_up(&cut_short(), false);
        drop(run);

        let (_run, claim) = courier(&queue);
        let next = sink(&queue, &claim);
        let beginning = next.beginning().unwrap();
        assert_eq!((beginning.bytes, next.file.bytes()), (1000, 1000));
        assert_eq!(beginning.validator, "\"one\"");
    }
}

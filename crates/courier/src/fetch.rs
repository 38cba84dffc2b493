//! `fetch` tasks: downloads the recording of a job into the store. Run by the slots of this process.
//!
//! It never decodes what it downloads, and believes nothing that the server says about it.

mod failure;
mod sink;
mod web_page;

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use steno_runner::{ClaimedTask, Done, TaskRunner, TaskSlot, Undone};
use steno_store::{FetchTask, Postponement, StoreError, TaskInput, TaskKind, TaskOutput};
use tokio::runtime::Handle;

use crate::download::{Download, DownloadError, DownloadLimits};
use crate::outbound::Outbound;
use failure::failure;
use sink::{FileSink, SinkError};

/// Pause between two checks whether to stop; also the sign of life of the slot.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// What all downloads share.
pub(crate) struct Fetcher {
    pub(crate) outbound: Arc<Outbound>,
    /// Limits of each download. Its size is limited by its task.
    pub(crate) limits: DownloadLimits,
    /// Free bytes on the disk below which nothing is downloaded.
    pub(crate) disk_reserve_bytes: u64,
    pub(crate) runtime: Handle,
    /// The process has been asked to stop: downloads go back to the queue.
    pub(crate) stop: Arc<AtomicBool>,
}

impl TaskRunner for Fetcher {
    fn kinds(&self) -> &[TaskKind] {
        // Webhooks that are being sent delay the drain; no download begins meanwhile.
        if self.stop.load(Ordering::SeqCst) {
            &[]
        } else {
            &[TaskKind::Fetch]
        }
    }

    fn open_slot(&self) -> Box<dyn TaskSlot + '_> {
        Box::new(FetchSlot(self))
    }
}

struct FetchSlot<'a>(&'a Fetcher);

impl TaskSlot for FetchSlot<'_> {
    fn run(&mut self, task: &ClaimedTask<'_>) -> Result<Done, Undone> {
        let TaskInput::Fetch(input) = &task.claim.task else {
            return Err(Undone::Fatal(StoreError::UnknownTaskKind(
                task.claim.task.kind().as_str().to_owned(),
            )));
        };
        let mut sink = FileSink::begin(task.store, task.claim, input, self.0.disk_reserve_bytes)
            .map_err(|error| undone(error, DownloadError::Stopped))?;

        let downloaded = self.download(task, input, &mut sink);
        if let Err(error) = downloaded {
            let is_process_ending = self.0.stop.load(Ordering::SeqCst);
            let cause = sink.give_up(&error, is_process_ending);
            return Err(undone(cause, error));
        }
        let stored = sink
            .finish()
            .map_err(|error| undone(error, DownloadError::Stopped))?;

        let fetched = stored.fetched();
        Ok(Done::with_file(TaskOutput::Fetched(fetched), move || {
            stored.keep();
        }))
    }
}

impl FetchSlot<'_> {
    /// Downloads until the end, or until the task is to stop.
    fn download(
        &self,
        task: &ClaimedTask<'_>,
        input: &FetchTask,
        sink: &mut FileSink<'_>,
    ) -> Result<(), DownloadError> {
        let fetcher = self.0;
        let limits = DownloadLimits {
            max_bytes: input.max_bytes,
            ..fetcher.limits
        };

        fetcher.runtime.block_on(async {
            let beginning = sink.beginning();
            let mut download = Download::new(&fetcher.outbound, limits, sink);
            if let Some(beginning) = beginning {
                download = download.behind(beginning);
            }
            let download = download.run(&input.url);
            tokio::pin!(download);
            let mut checks = tokio::time::interval(CHECK_INTERVAL);
            loop {
                tokio::select! {
                    outcome = &mut download => return outcome.map(drop),
                    _ = checks.tick() => {
                        if task.control.should_stop() || fetcher.stop.load(Ordering::SeqCst) {
                            return Err(DownloadError::Stopped);
                        }
                    }
                }
            }
        })
    }
}

/// How a task ends whose download produced no recording.
fn undone(cause: SinkError, error: DownloadError) -> Undone {
    match cause {
        SinkError::Stopped => Undone::Stopped,
        SinkError::DiskFull => Undone::Postponed {
            reason: Postponement::DiskFull,
            error: Box::new(io::Error::from(io::ErrorKind::StorageFull)),
        },
        SinkError::Store(error) if error.is_fatal() => Undone::Fatal(error),
        SinkError::Store(error) => Undone::Postponed {
            reason: Postponement::Files,
            error: Box::new(error),
        },
        SinkError::Refused(refusal) => Undone::Failed {
            failure: refusal.failure(),
            error: refusal.to_string().into(),
        },
        SinkError::None => {
            let failure = failure(&error);
            let error: Box<dyn Error> = Box::new(error);
            Undone::Failed { failure, error }
        }
    }
}

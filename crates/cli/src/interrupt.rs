//! Ctrl-C in a client. Jobs go on at the server, and the client prints how to get their results.
//! A local server ends with its jobs.

use std::collections::BTreeMap;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use steno_models::JobId;

use crate::local::LocalServer;
use crate::print;

/// A program that a signal ended has this number plus the signal as its exit code, as in a shell.
const EXIT_SIGNALLED: i32 = 128;

/// Jobs whose results have not been written yet, with the names of their recordings and the
/// commands that fetch them.
#[derive(Clone, Default)]
pub(crate) struct Unfinished(Arc<Mutex<BTreeMap<JobId, (String, String)>>>);

impl Unfinished {
    /// Ends the program at Ctrl-C with a line for every unfinished job.
    pub(crate) fn watch() -> anyhow::Result<Self> {
        let unfinished = Self::default();
        let known = unfinished.clone();
        let signals = Signals::new([SIGINT])?;
        end_at(signals, move || known.explain());
        Ok(unfinished)
    }

    /// Ends the program and a local server at Ctrl-C, SIGTERM or SIGHUP.
    pub(crate) fn watch_local(server: Arc<LocalServer>) -> anyhow::Result<Self> {
        let signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        end_at(signals, move || server.stop());
        Ok(Self::default())
    }

    /// Notes a job; `fetch` is the command that fetches its transcript.
    pub(crate) fn begin(&self, job: JobId, recording: &str, fetch: &str) {
        self.lock()
            .insert(job, (recording.to_owned(), fetch.to_owned()));
    }

    pub(crate) fn end(&self, job: &JobId) {
        self.lock().remove(job);
    }

    fn explain(&self) {
        for (recording, fetch) in self.lock().values() {
            print::note(&format!(
                "\n{recording}: the job goes on; fetch its transcript with: {fetch}"
            ));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, (String, String)>> {
        // A panic leaves the map consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a signal ends the command after its clean-up"
)]
fn end_at(mut signals: Signals, before: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            before();
            process::exit(EXIT_SIGNALLED + signal);
        }
    });
}

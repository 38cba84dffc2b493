//! Ctrl-C: jobs go on without their client, which says how to get their results.

use std::collections::BTreeMap;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;
use steno_models::JobId;

use crate::print;

/// Exit code of a program that was interrupted: 128 and SIGINT, as a shell reports it.
const EXIT_INTERRUPTED: i32 = 130;

/// Jobs whose results have not been written yet, with the names of their recordings and the commands that fetch them.
#[derive(Clone, Default)]
pub(crate) struct Unfinished(Arc<Mutex<BTreeMap<JobId, (String, String)>>>);

impl Unfinished {
    /// Ends the program at Ctrl-C with a word on every unfinished job.
    pub(crate) fn watch() -> anyhow::Result<Self> {
        let unfinished = Self::default();
        let mut signals = Signals::new([SIGINT])?;
        let known = unfinished.clone();
        thread::spawn(move || {
            if signals.forever().next().is_some() {
                known.explain();
                process::exit(EXIT_INTERRUPTED);
            }
        });
        Ok(unfinished)
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
                "\n{recording}: goes on without you; fetch its transcript with: {fetch}"
            ));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, (String, String)>> {
        // The map is whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

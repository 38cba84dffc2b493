//! From a job's id to its result on disk: waits for the end, fetches, writes, and only then acknowledges.
//! The end of `steno transcribe`, and all of `steno fetch`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use steno_models::{Format, JobId, JobStatus, Status};

use crate::client::Client;
use crate::output::Output;
use crate::progress::{job_bar, show_job};

/// How long a call waits for the end when nobody watches.
const WAIT_S: u64 = 30;
/// How long it waits when a progress bar is to move.
const WATCHED_WAIT_S: u64 = 2;
/// Shortest time from one call to the next: a server that is stopping answers at once.
const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// What is to happen with one job's result.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// What to call the job towards the user.
    pub(crate) name: String,
    /// The rendering to write.
    pub(crate) format: Format,
    /// Where to.
    pub(crate) output: Output,
    /// Whether the job stays on the server.
    pub(crate) keep: bool,
}

impl Delivery {
    /// Waits for the job's end and delivers its result. An error leaves the job on the server.
    pub(crate) fn run(&self, client: &Client, job_id: JobId) -> Result<()> {
        let job = self.wait_for_end(client, job_id)?;
        if let Some(error) = &job.error {
            return Err(anyhow!("the job failed: {} ({})", error.message, error.code));
        }
        let result = client.get_result(job_id, self.format)?;
        let hint = || format!("the result is still on the server: steno fetch {job_id}");
        self.output.write(&result).with_context(hint)?;
        if !self.keep {
            acknowledge(client, job_id, &self.name);
        }
        Ok(())
    }

    fn wait_for_end(&self, client: &Client, job_id: JobId) -> Result<JobStatus> {
        let bar = job_bar(&self.name);
        let wait_s = if bar.is_hidden() { WAIT_S } else { WATCHED_WAIT_S };
        loop {
            let asked = Instant::now();
            let job = client.get_job(job_id, wait_s).inspect_err(|_| bar.finish_and_clear())?;
            show_job(&bar, &job);
            if matches!(job.status, Status::Completed | Status::Failed) {
                bar.finish_and_clear();
                return Ok(job);
            }
            std::thread::sleep(SHORTEST_POLL.saturating_sub(asked.elapsed()));
        }
    }
}

/// Tells the server that the result is safe. Failing costs nothing but time: the server deletes by itself.
fn acknowledge(client: &Client, job_id: JobId, name: &str) {
    if let Err(error) = client.delete_job(job_id) {
        eprintln!(
            "{name}: the result is here, but job {job_id} could not be deleted ({error}); its server will do so later"
        );
    }
}

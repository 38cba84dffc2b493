//! Shared by all campaigns: a service with scripted workers, a ledger of accepted jobs, and the final check.

use std::collections::HashMap;
use std::time::Duration;

use steno_e2e::{Client, Process, Service, Settings, eventually, fixture};
use steno_models::{JobId, JobStatus, Status};
use steno_store::{JobFilter, Store, StoreSettings};

/// Numbers from a seed (`SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>).
pub(crate) struct Random(u64);

impl Random {
    /// Seeded with `STENO_FAULTS_SEED`, or with a constant.
    pub(crate) fn new() -> Self {
        let seed = std::env::var("STENO_FAULTS_SEED").map_or(1, |seed| seed.parse().unwrap());
        Self(seed)
    }

    /// A number from 0 to `end`, exclusive.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }

    pub(crate) fn milliseconds(&mut self, from: u64, end: u64) -> Duration {
        Duration::from_millis(from + self.below(end - from))
    }
}

/// Number of repetitions: `full` with `STENO_FAULTS=full`, otherwise `reduced`.
pub(crate) fn scale(full: usize, reduced: usize) -> usize {
    if is_full() { full } else { reduced }
}

/// Whether the full campaigns run.
pub(crate) fn is_full() -> bool {
    std::env::var("STENO_FAULTS").is_ok_and(|scale| scale == "full")
}

/// Prints a figure of a campaign for the report.
pub(crate) fn report(campaign: &str, figures: &str) {
    println!("{campaign}: {figures}");
}

/// Jobs that were answered with 202, and their expected text.
#[derive(Default)]
pub(crate) struct Ledger {
    jobs: Vec<(JobId, &'static str)>,
}

impl Ledger {
    /// Number of accepted jobs.
    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }
}

/// How the jobs of a ledger ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) completed: usize,
    /// Jobs on which three workers died.
    pub(crate) crashed: usize,
}

/// A recording with one span, and one with several.
pub(crate) const RECORDINGS: [&str; 2] = ["clip.opus", "minute.opus"];

/// A service, and the texts of its recordings without faults.
pub(crate) struct Bed {
    pub(crate) service: Service,
    /// Processes restarted by [`Bed::revive`].
    pub(crate) restarts: usize,
    workers: usize,
    prompt: &'static str,
    expected: HashMap<&'static str, String>,
}

impl Bed {
    /// Starts the service and transcribes the recordings once without faults. `prompt` is the script.
    pub(crate) fn new(settings: Settings, prompt: &'static str) -> Self {
        let service = settings.start();
        let workers = service.workers.len();
        let mut bed = Self {
            service,
            restarts: 0,
            workers,
            prompt,
            expected: HashMap::new(),
        };
        for name in RECORDINGS {
            let job = bed.service.client.submit(&fixture(name), &bed.query());
            let text = bed.service.client.wait_for_text(job);
            assert_eq!(
                bed.service
                    .client
                    .delete(&format!("/transcribe/{job}"))
                    .status,
                204
            );
            bed.expected.insert(name, text);
        }
        bed
    }

    fn query(&self) -> String {
        format!("language=en&prompt={}", self.prompt.replace(' ', "%20"))
    }

    /// Uploads a recording, again while the server is not ready.
    pub(crate) fn submit_surely(&self, ledger: &mut Ledger, name: &'static str) -> JobId {
        let job = self.service.client.submit(&fixture(name), &self.query());
        ledger.jobs.push((job, name));
        job
    }

    /// Uploads a recording. It enters the ledger only if the answer is 202.
    pub(crate) fn submit(&self, ledger: &mut Ledger, name: &'static str) -> Option<JobId> {
        self.submit_as(None, ledger, name)
    }

    /// The same with an `Idempotency-Key`, so that it can be repeated.
    pub(crate) fn submit_as(
        &self,
        key: Option<&str>,
        ledger: &mut Ledger,
        name: &'static str,
    ) -> Option<JobId> {
        let answer = self
            .service
            .client
            .try_upload_as(key, &fixture(name), &self.query())?;
        let job = answer.accepted()?;
        ledger.jobs.push((job, name));
        Some(job)
    }

    /// The rows of the queue.
    pub(crate) fn rows(&self) -> Store {
        let hour = Duration::from_secs(3600);
        let settings = StoreSettings {
            ttl: 24 * hour,
            retrieval_grace: hour,
            lease: hour,
        };
        self.service.open_rows(settings)
    }

    /// Repeats `attempt` until it returns a value, and restarts processes that ended.
    pub(crate) fn outlast<T>(&mut self, what: &str, attempt: impl Fn(&Client) -> Option<T>) -> T {
        eventually(what, || {
            self.revive();
            attempt(&self.service.client)
        })
    }

    /// Waits until every job of the ledger has ended, compares its text, deletes it, and checks that nothing is left.
    pub(crate) fn settle(&mut self, ledger: Ledger) -> Tally {
        let mut tally = Tally::default();
        for (job, name) in ledger.jobs {
            let ended = self.outlast("a job ends", |client| ended(client, job));
            assert!(ended.attempts <= 3, "{ended:?}");
            if ended.status == Status::Completed {
                assert_eq!(ended.result.unwrap().text, self.expected[name], "{job}");
                tally.completed += 1;
            } else {
                let error = ended.error.unwrap();
                assert_eq!(
                    (error.code.as_str(), ended.attempts),
                    ("worker_crashed", 3),
                    "{error:?}"
                );
                tally.crashed += 1;
            }
            self.outlast("it is deleted", |client| {
                let answer = client.try_delete(&format!("/transcribe/{job}"))?;
                (answer.status == 204).then_some(())
            });
        }
        self.check_nothing_is_left();
        tally
    }

    /// Checks that rows and files agree.
    pub(crate) fn check(&self) {
        let (code, findings, problem) = self.service.cli(&["admin", "check"]);
        assert_eq!(
            (code, findings.as_str()),
            (Some(0), "nothing is wrong\n"),
            "{problem}"
        );
    }

    /// Checks the queue, deletes jobs whose 202 did not arrive, and checks that no row and no file is left.
    pub(crate) fn check_nothing_is_left(&mut self) {
        let rows = self.rows();
        // A job whose 202 was cut off runs like any other.
        for job in rows.inspect_jobs(&JobFilter::default()).unwrap() {
            self.outlast("a job whose 202 was cut off ends", |client| {
                ended(client, job.job_id)
            });
            self.service
                .client
                .delete(&format!("/transcribe/{}", job.job_id));
        }
        self.check();
        assert_eq!(rows.inspect_jobs(&JobFilter::default()).unwrap(), []);
        eventually("no file is left", || {
            self.service.files().is_empty().then_some(())
        });
    }

    /// Restarts the processes of the service that have ended.
    pub(crate) fn revive(&mut self) {
        if self.service.api.as_mut().is_none_or(Process::has_ended) {
            self.service.start_api();
            self.restarts += 1;
        }
        self.service
            .workers
            .retain_mut(|worker| !worker.has_ended());
        while self.service.workers.len() < self.workers {
            self.service.start_worker();
            self.restarts += 1;
        }
    }
}

/// The job, if the api answers and it has ended.
fn ended(client: &Client, job: JobId) -> Option<JobStatus> {
    let answer = client.try_get(&format!("/transcribe/{job}?keep=true&wait=1"))?;
    assert!(
        answer.status == 200 || answer.status == 503,
        "{}",
        answer.text()
    );
    let status: JobStatus = serde_json::from_slice(&answer.body).ok()?;
    status.status.is_terminal().then_some(status)
}

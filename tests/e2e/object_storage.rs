//! Recordings and spools in a bucket of a real S3 server: the whole way, and what happens when a process or the server goes.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::PathBuf;

use steno_e2e::{Client, Service, Settings, eventually, fixture, repeated};
use steno_models::{FailureCode, ProblemCode, Status};
use steno_testbed::S3;

const MARK: &str = "steno/queue";
/// What an upload repeats that never ends.
const CONTENT: &[u8] = b"a recording that never ends ";
/// More than one part of a multipart upload, and less than two.
const SENT_BYTES: usize = 9 << 20;

struct Bucket {
    server: S3,
    name: String,
}

impl Bucket {
    fn new() -> Self {
        let server = S3::start();
        let name = server.create_bucket();
        Self { server, name }
    }

    fn for_processes(&self, mut settings: Settings) -> Settings {
        for (name, value) in self.server.environment() {
            settings = settings.set(name, &value);
        }
        settings.set("STENO_STORAGE_URL", &format!("s3://{}/steno", self.name))
    }

    /// Sends a part of an upload, and waits until the storage has it.
    fn begin_upload(&self, service: &Service) -> TcpStream {
        let mut connection = TcpStream::connect(service.address()).unwrap();
        let head = "POST /transcribe HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nContent-Length: 20000000\r\n\r\n";
        connection.write_all(head.as_bytes()).unwrap();
        let body = CONTENT.repeat(SENT_BYTES / CONTENT.len());
        connection.write_all(&body).unwrap();
        // If the test server stores a part after the abort, the part stays. So this waits until the only part is stored.
        eventually("a part is in the storage", || {
            let files = self.server.files_with(CONTENT);
            let is_complete = |file: &PathBuf| !file.to_string_lossy().contains("/.tmp.");
            files.iter().any(is_complete).then_some(())
        });
        connection
    }

    fn keys(&self) -> Vec<String> {
        self.server.keys(&self.name)
    }

    /// Waits until nothing of any job is in the bucket or on this machine.
    fn wait_until_empty(&self, service: &Service) {
        eventually("all files are deleted", || {
            let is_empty = self.keys() == [MARK] && cached(service) == 0;
            is_empty.then_some(())
        });
        assert_eq!(service.files(), Vec::<String>::new());
    }
}

fn cached(service: &Service) -> usize {
    let cache = service.data().join("cache");
    std::fs::read_dir(cache).map_or(0, Iterator::count)
}

#[test]
fn a_recording_in_a_bucket_is_transcribed_and_deleted() {
    let bucket = Bucket::new();
    let service = bucket.for_processes(Settings::with_workers(1)).start();
    let job = service.client.submit(&fixture("clip.opus"), "language=en");
    let text = service.client.wait_for_text(job);
    assert!(text.to_lowercase().contains("river"), "{text}");
    bucket.wait_until_empty(&service);

    // Neither the api nor the worker logs its secret key.
    let logs = [service.api.as_ref().unwrap(), &service.workers[0]].map(steno_e2e::Process::log);
    assert!(logs.iter().all(|log| !log.contains(S3::SECRET_KEY)));
}

#[test]
fn a_worker_killed_at_its_spool_costs_no_job() {
    let bucket = Bucket::new();
    let settings = Settings::with_scripted_workers(1).set("STENO_SWEEP_INTERVAL", "1s");
    let mut service = bucket.for_processes(settings).start();
    let recording = repeated("clip.wav", 12, &service.scratch());
    // The spool is there until the last span has ended.
    let query = "language=en&prompt=wait:2000";
    let job = service.client.submit(&recording, query);
    eventually("a spool is in the bucket", || {
        bucket
            .keys()
            .iter()
            .any(|key| key.starts_with("steno/spool/"))
            .then_some(())
    });
    service.workers.remove(0).kill();

    service.start_worker();
    assert_eq!(service.client.wait(job).status, Status::Completed);
    bucket.wait_until_empty(&service);
}

#[test]
fn an_api_killed_during_an_upload_leaves_nothing_after_the_next_sweep() {
    let bucket = Bucket::new();
    let mut service = bucket
        .for_processes(Settings::with_scripted_workers(0))
        .start();
    let _connection = bucket.begin_upload(&service);
    service.api.take().unwrap().kill();
    assert!(cached(&service) > 0);
    service.start_api();
    bucket.wait_until_empty(&service);
    assert!(bucket.server.files_with(CONTENT).is_empty());
}

#[test]
fn an_api_that_is_stopped_during_an_upload_leaves_nothing() {
    let bucket = Bucket::new();
    let mut service = bucket
        .for_processes(Settings::with_scripted_workers(0))
        .start();
    let _connection = bucket.begin_upload(&service);

    assert!(service.api.take().unwrap().terminate().success());
    assert_eq!(cached(&service), 0);
    assert!(bucket.server.files_with(CONTENT).is_empty());
}

#[test]
fn while_the_storage_is_away_uploads_are_refused_and_jobs_wait() {
    let bucket = Bucket::new();
    let mut service = bucket
        .for_processes(Settings::with_scripted_workers(0))
        .start();
    let clip = fixture("clip.opus");
    let submit = |client: &Client| client.submit(&clip, "language=en");
    let jobs = [submit(&service.client), submit(&service.client)];
    bucket.server.stop();

    let refused = service.client.upload(&clip, "language=en");
    assert_eq!(
        (refused.status, refused.problem().code),
        (503, ProblemCode::NotReady)
    );
    assert!(refused.header("retry-after").is_some());
    service.start_worker();
    service.workers[0].wait_for_log("in the object storage");

    bucket.server.start_again();
    for job in jobs {
        let status = service.client.wait(job);
        assert_eq!(status.status, Status::Completed, "{:?}", status.error);
    }
    bucket.wait_until_empty(&service);
}

#[test]
fn a_job_whose_recording_is_gone_fails_after_some_tries() {
    let bucket = Bucket::new();
    let mut service = bucket
        .for_processes(Settings::with_scripted_workers(0))
        .start();
    let job = service.client.submit(&fixture("clip.opus"), "language=en");
    let object = format!("{}/steno/audio/{job}", bucket.name);
    std::fs::remove_file(bucket.server.folder().join(object)).unwrap();
    service.start_worker();

    let status = service.client.wait(job);
    let error = status.error.unwrap();
    assert_eq!(error.code, FailureCode::EngineError, "{}", error.message);
    assert!(error.message.contains("send it again"), "{}", error.message);
    assert_eq!(status.attempts, 3);
    bucket.wait_until_empty(&service);
}

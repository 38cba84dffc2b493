//! A whole service on a data folder of its own.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;

use steno_models::JobId;
use steno_store::{Place, Store, StoreSettings};
use steno_testbed::Host;
use steno_weights::Cache;
use tempfile::TempDir;

use crate::shared::{self, Shared};
use crate::{Client, Process};

/// How to start a service.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    environment: BTreeMap<String, String>,
    prefix: Vec<String>,
    workers: usize,
    worker_program: Option<&'static str>,
    has_courier: bool,
    is_in_data_folder: bool,
}

/// An api and some workers.
pub struct Service {
    /// A client of the api.
    pub client: Client,
    /// The api, while it runs.
    pub api: Option<Process>,
    /// The running workers.
    pub workers: Vec<Process>,
    /// The running couriers.
    pub couriers: Vec<Process>,
    environment: BTreeMap<String, String>,
    /// Words before the name of each program, which run it on another host.
    prefix: Vec<String>,
    worker_binary: &'static str,
    started: usize,
    folder: TempDir,
    /// Where its rows and files are, if they are not in the data folder.
    shared: Option<Shared<'static>>,
}

impl Settings {
    /// A service with `workers` workers of one slot each.
    pub fn with_workers(workers: usize) -> Self {
        if workers > 0 {
            let weights = Cache::from_env().unwrap().lookup("base").unwrap();
            assert!(
                weights.is_some(),
                "the weights base are not installed: run `steno weights pull base` first"
            );
        }
        Self {
            workers,
            ..Self::default()
        }
        .set("STENO_SLOTS", "1")
        .set("STENO_WEIGHTS_PULL", "false")
    }

    /// A service whose workers run a scripted engine (`tests/faults/scripted_worker.rs`).
    pub fn with_scripted_workers(workers: usize) -> Self {
        Self {
            workers,
            worker_program: Some("examples/scripted-worker"),
            ..Self::default()
        }
        .set("STENO_SLOTS", "1")
    }

    /// Starts this program instead of steno-worker: a path below a folder that contains the test's own program.
    #[must_use]
    pub fn worker_program(self, program: &'static str) -> Self {
        Self {
            worker_program: Some(program),
            ..self
        }
    }

    /// Starts a courier as well.
    #[must_use]
    pub fn with_courier(self) -> Self {
        Self {
            has_courier: true,
            ..self
        }
    }

    /// Sets an environment variable for every process.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Leaves an environment variable at its default.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Keeps the queue in the data folder even with `TEST_QUEUE=shared`. For tests that read or damage files of the data folder.
    #[must_use]
    pub fn in_data_folder(self) -> Self {
        Self {
            is_in_data_folder: true,
            ..self
        }
    }

    /// Keeps rows and files in a database and a bucket that several services share.
    #[must_use]
    pub fn sharing(mut self, shared: &Shared<'_>) -> Self {
        self.environment.extend(shared.environment());
        self
    }

    /// The same, with all processes on a host of their own.
    #[must_use]
    pub fn sharing_from(mut self, shared: &Shared<'_>, host: &Host) -> Self {
        let environment = shared.environment_at(host.gateway().into());
        self.environment.extend(environment);
        self.prefix = host.prefix().map(ToOwned::to_owned).to_vec();
        self
    }

    /// Starts the processes and waits until they are ready.
    pub fn start(self) -> Service {
        let workers = self.workers;
        let has_courier = self.has_courier;
        let mut service = self.start_nothing();
        service.start_api();
        for _ in 0..workers {
            service.start_worker();
        }
        if has_courier {
            service.start_courier();
        }
        service
    }

    /// A data folder and an environment. The test starts the processes itself.
    pub fn start_nothing(self) -> Service {
        let folder = tempfile::tempdir().unwrap();
        let chooses_place = names_place(&self.environment);
        assert!(
            !(self.is_in_data_folder && self.environment.contains_key("STENO_DATABASE_URL")),
            "the queue has two places"
        );
        let is_shared = !self.is_in_data_folder && !chooses_place && shared::is_asked_for();
        let shared = is_shared.then(Shared::create);
        let mut environment = self.environment;
        environment.extend(shared.iter().flat_map(Shared::environment));
        let data = folder.path().join("data");
        environment.insert("STENO_DATA".to_owned(), data.to_str().unwrap().to_owned());
        if environment.contains_key("STENO_DATABASE_URL") {
            initialize(&environment);
        } else {
            Store::init(&*data).unwrap();
        }
        environment
            .entry("STENO_BIND".to_owned())
            .or_insert_with(|| "127.0.0.1:0".to_owned());
        let client = Client::new("");
        Service {
            client,
            api: None,
            workers: Vec::new(),
            couriers: Vec::new(),
            environment,
            prefix: self.prefix,
            worker_binary: self.worker_program.unwrap_or("steno-worker"),
            started: 0,
            folder,
            shared,
        }
    }
}

impl Service {
    /// Starts the api; after the first time, on the same port.
    pub fn start_api(&mut self) {
        assert!(self.try_start_api(&[]), "the api does not start");
    }

    /// The same with further environment variables. Returns false if it exits before it listens.
    pub fn try_start_api(&mut self, extra: &[(&str, &str)]) -> bool {
        let mut api = self.start_process_with("steno-api", extra);
        let Some(line) = api.wait_for_log_or_end("listening on http://") else {
            return false;
        };
        let base = &line[line.find("http://").unwrap()..];
        let base = base.split_whitespace().next().unwrap();
        self.environment.insert(
            "STENO_BIND".to_owned(),
            base.trim_start_matches("http://").to_owned(),
        );
        self.client = Client::new(base);
        self.api = Some(api);
        true
    }

    /// Starts one more worker.
    pub fn start_worker(&mut self) {
        assert!(self.try_start_worker(&[]), "the worker does not start");
    }

    /// The same with further environment variables. Returns false if it exits before it claims tasks.
    pub fn try_start_worker(&mut self, extra: &[(&str, &str)]) -> bool {
        let mut worker = self.start_process_with(self.worker_binary, extra);
        let works = worker.wait_for_log_or_end("working with").is_some();
        if works {
            self.workers.push(worker);
        }
        works
    }

    /// Starts one more courier.
    pub fn start_courier(&mut self) {
        self.start_courier_with(&[]);
    }

    /// The same behind these words, which start a program elsewhere.
    pub fn start_courier_through(&mut self, prefix: &[String]) {
        let usual = std::mem::replace(&mut self.prefix, prefix.to_vec());
        self.start_courier();
        self.prefix = usual;
    }

    /// The same with further environment variables.
    pub fn start_courier_with(&mut self, extra: &[(&str, &str)]) {
        let mut courier = self.start_process_with("steno-courier", extra);
        let works = courier.wait_for_log_or_end("sending webhooks").is_some();
        assert!(works, "the courier does not start: {}", courier.log());
        self.couriers.push(courier);
    }

    /// Runs the command line against this service, with its settings; returns exit code, standard output and standard error.
    pub fn cli(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = std::process::Command::new(crate::process::binary_path("steno"))
            .args(arguments)
            .envs(self.queue_environment())
            .env(
                "STENO_URL",
                format!("http://{}", self.environment["STENO_BIND"]),
            )
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// The settings of a program that opens the queue itself.
    pub fn queue_environment(&self) -> BTreeMap<String, String> {
        let is_of_queue = |name: &str| {
            ["STENO_DATA", "STENO_DATABASE_URL", "STENO_STORAGE_URL"].contains(&name)
                || name.starts_with("AWS_")
        };
        let mut environment = self.environment.clone();
        environment.retain(|name, _| is_of_queue(name));
        environment
    }

    /// Address of the api, such as `127.0.0.1:8080`.
    pub fn address(&self) -> &str {
        &self.environment["STENO_BIND"]
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for a test's own files.
    pub fn scratch(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Names of the recordings and spools that are stored, and of those that are being received or fetched. Without the bucket of a
    /// [`Shared`] that the test has made.
    pub fn files(&self) -> Vec<String> {
        let list = |folder: &str| match std::fs::read_dir(self.data().join(folder)) {
            // With a bucket, some of these folders do not exist.
            Err(error) if error.kind() == ErrorKind::NotFound && self.is_elsewhere() => None,
            entries => Some(entries.unwrap()),
        };
        let folders = ["audio", "cache", "incoming", "spool"];
        let entries = folders.into_iter().filter_map(list).flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let stored = self.shared.iter().flat_map(Shared::files);
        stored.chain(names).collect()
    }

    /// Whether rows or files are outside the data folder.
    fn is_elsewhere(&self) -> bool {
        names_place(&self.environment)
    }

    /// Fails for a queue in a place that only the test knows.
    fn check_place_is_known(&self) {
        let is_known = self.shared.is_some() || !self.is_elsewhere();
        assert!(
            is_known,
            "the test chose the place of the queue: look there"
        );
    }

    /// Size of SQLite's write-ahead log, 0 if the rows are on a shared server.
    pub fn wal_bytes(&self) -> u64 {
        self.check_place_is_known();
        let path = self.data().join("steno.db-wal");
        let file = self.shared.is_none().then(|| std::fs::metadata(path));
        file.map_or(0, |file| file.unwrap().len())
    }

    /// Deletes the recording of a job behind Steno's back.
    pub fn lose_recording(&self, job: JobId) {
        self.check_place_is_known();
        let queue = self.shared.as_ref().map(Shared::folder);
        let queue = queue.unwrap_or_else(|| self.data());
        std::fs::remove_file(queue.join("audio").join(job.to_string())).unwrap();
    }

    /// A store for reading rows. Its files are not those of the queue if these are in a bucket.
    pub fn open_rows(&self, settings: StoreSettings) -> Store {
        self.check_place_is_known();
        let database = self.shared.as_ref().map(Shared::address);
        let data = self.data();
        Store::open(Place { data, database }, settings).unwrap()
    }

    /// Whether `text` is in a row, in a complete object or in a file of the data folder. Unfinished uploads to a bucket, dead rows and
    /// PostgreSQL's own files are not searched.
    pub fn holds(&self, text: &str) -> bool {
        self.check_place_is_known();
        !steno_testbed::files_with(&self.data(), text.as_bytes()).is_empty()
            || self
                .shared
                .as_ref()
                .is_some_and(|shared| shared.holds(text))
    }

    /// The environment its processes have.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Starts a binary with the service's settings.
    pub fn start_process(&mut self, binary: &str) -> Process {
        self.start_process_with(binary, &[])
    }

    /// The same with further environment variables.
    pub fn start_process_with(&mut self, binary: &str, extra: &[(&str, &str)]) -> Process {
        self.started += 1;
        let log =
            self.folder
                .path()
                .join(format!("{}-{}.log", self.started, binary.replace('/', "-")));
        let mut environment = self.environment.clone();
        environment.extend(
            extra
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        Process::start_through(&self.prefix, binary, &environment, &log)
    }
}

/// Whether settings name a place for rows or files outside the data folder.
fn names_place(environment: &BTreeMap<String, String>) -> bool {
    ["STENO_DATABASE_URL", "STENO_STORAGE_URL"]
        .iter()
        .any(|name| environment.contains_key(*name))
}

/// Makes a queue on the server that the settings name.
fn initialize(environment: &BTreeMap<String, String>) {
    let output = std::process::Command::new(crate::process::binary_path("steno"))
        .arg("init")
        .envs(environment)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "steno init: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

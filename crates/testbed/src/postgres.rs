//! A PostgreSQL server: start, stop, restart, and connections to end.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use postgres::{Client, NoTls};
use tempfile::TempDir;

use crate::cleanup::Cleanup;
use crate::{Database, free_port, programs, skip, tls};

/// The superuser of each test server.
pub(crate) const ADMIN: &str = "admin";
/// The user without special rights that the databases belong to.
pub(crate) const USER: &str = "steno";
/// The password of both. Connections over TCP need it, as on a real server.
pub(crate) const PASSWORD: &str = "a-test-password";

/// How a server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Ends each connection with an error and writes everything to disk.
    Fast,
    /// As after a crash: the next start replays the log.
    Immediate,
}

/// How to start a server.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    settings: Vec<(String, String)>,
    data_folder: Option<PathBuf>,
    has_tls: bool,
}

/// A running server.
pub struct Postgres {
    binaries: PathBuf,
    data: PathBuf,
    settings_file: PathBuf,
    pub(crate) port: u16,
    certificate: Option<PathBuf>,
    // Before `folder`: the server must be gone when its folder is deleted.
    _cleanup: Cleanup,
    folder: TempDir,
}

impl Setup {
    /// Sets a parameter of `postgresql.conf`.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes through to the disk at each commit, as a real server does. Off by default, because tests of rules do not need it.
    #[must_use]
    pub fn durable(self) -> Self {
        self.set("fsync", "on")
            .set("synchronous_commit", "on")
            .set("full_page_writes", "on")
    }

    /// Keeps the data in an existing empty folder, for example on a small file system.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.data_folder = Some(folder.to_owned());
        self
    }

    /// Accepts TLS connections with a certificate for `localhost` and 127.0.0.1 (see [`Postgres::certificate`]). `None`, with a
    /// message, if PostgreSQL was built without TLS, as the one from PyPI is.
    #[must_use]
    pub fn with_tls(mut self) -> Option<Self> {
        let options = Command::new(programs::postgres_folder().join("pg_config"))
            .arg("--configure")
            .output();
        let can_do = options.is_ok_and(|options| {
            let options = String::from_utf8_lossy(&options.stdout).into_owned();
            options.contains("--with-openssl") || options.contains("--with-ssl=openssl")
        });
        if !can_do {
            skip("this PostgreSQL was built without TLS");
            return None;
        }

        self.has_tls = true;
        Some(self)
    }

    /// Starts the server and waits until it accepts connections.
    pub fn start(self) -> Postgres {
        let folder = tempfile::Builder::new()
            .prefix("steno-postgres-")
            .tempdir()
            .unwrap();
        programs::give_away(folder.path());
        let binaries = programs::postgres_folder();

        let data = self
            .data_folder
            .clone()
            .unwrap_or_else(|| folder.path().join("data"));
        if self.data_folder.is_some() {
            programs::give_away(&data);
        }
        initialize(&binaries, &data, folder.path());
        allow_test_hosts(&data);

        let certificate = self.has_tls.then(|| tls::create(folder.path()));
        let settings = self.settings_text(folder.path());
        let mut server = Postgres::of_data(data, folder);
        server.certificate = certificate;
        fs::write(&server.settings_file, settings).unwrap();
        programs::give_away(&server.settings_file);
        server.start_on_a_free_port();
        server
            .connect("postgres")
            .batch_execute(&format!("CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'"))
            .unwrap();
        server
    }

    fn settings_text(&self, folder: &Path) -> String {
        let mut text = format!(
            "listen_addresses = '*'\nunix_socket_directories = '{}'\n\
             fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n\
             max_connections = 200\nlog_min_error_statement = panic\n",
            folder.display()
        );
        if self.has_tls {
            let file = |name: &str| folder.join(name).display().to_string();
            writeln!(text, "ssl = on").unwrap();
            writeln!(text, "ssl_cert_file = '{}'", file(tls::SERVER_CERTIFICATE)).unwrap();
            writeln!(text, "ssl_key_file = '{}'", file(tls::SERVER_KEY)).unwrap();
        }
        for (name, value) in &self.settings {
            writeln!(text, "{name} = '{value}'").unwrap();
        }
        text
    }
}

impl Postgres {
    /// A server with default settings.
    pub fn start() -> Self {
        Setup::default().start()
    }

    /// A server that is not started yet. Its data folder is there; `folder` is for its log and its socket.
    pub(crate) fn of_data(data: PathBuf, folder: TempDir) -> Self {
        Self {
            _cleanup: Cleanup::of(&data.join("postmaster.pid"), folder.path()),
            binaries: programs::postgres_folder(),
            settings_file: data.join("postgresql.auto.conf"),
            data,
            port: 0,
            certificate: None,
            folder,
        }
    }

    /// The server that all tests of one test binary share, each with a database of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A new, empty database.
    pub fn create_database(&self) -> Database {
        Database::copy(self, "template0")
    }

    /// A new database with what `template` has. No connection to the template may be open.
    pub fn copy_database(&self, template: &Database) -> Database {
        Database::copy(self, &template.name)
    }

    /// The port at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a database, with a user without special rights and its password, without TLS.
    pub fn url(&self, database: &str) -> String {
        let port = self.port;
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    /// The same for the superuser.
    pub(crate) fn admin_url(&self, database: &str) -> String {
        self.url(database)
            .replace(&format!("//{USER}:"), &format!("//{ADMIN}:"))
    }

    /// The address of a database as another host sees this machine.
    pub fn url_at(&self, address: IpAddr, database: &str) -> String {
        self.url(database)
            .replace("127.0.0.1", &address.to_string())
    }

    /// The user and password that [`Postgres::url`] contains.
    pub fn credentials(&self) -> (&'static str, &'static str) {
        (USER, PASSWORD)
    }

    /// The certificate of the authority that signed the server's, as a PEM file. Only with [`Setup::with_tls`].
    pub fn certificate(&self) -> &Path {
        self.certificate.as_deref().expect("TLS is switched on")
    }

    /// The data folder.
    pub fn data_folder(&self) -> &Path {
        &self.data
    }

    /// The folder of PostgreSQL's programs, such as `pg_dump`.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// A connection of the superuser to a database, for what a test checks or breaks.
    pub fn connect(&self, database: &str) -> Client {
        let url = self.admin_url(database);
        Client::connect(&url, NoTls).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    /// Ends all connections to `database`, as an administrator or a failover does. Returns their number.
    pub fn terminate_connections(&self, database: &str) -> i64 {
        let row = self.connect("postgres").query_one(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 10000)) FROM pg_stat_activity \
             WHERE datname = $1 AND pid <> pg_backend_pid()",
            &[&database],
        );
        row.unwrap().get(0)
    }

    /// Whether the server runs. It ends by itself when its disk is full or fails.
    pub fn is_running(&self) -> bool {
        let status = self.control("status").output().unwrap();
        status.status.success()
    }

    /// Stops the server and waits until it is gone.
    pub fn stop(&self, shutdown: Shutdown) {
        let mode = match shutdown {
            Shutdown::Fast => "fast",
            Shutdown::Immediate => "immediate",
        };
        programs::run(self.control("stop").args(["-m", mode]));
    }

    /// Starts a stopped server at the same port, and waits until it accepts connections.
    pub fn start_again(&self) {
        programs::run(&mut self.start_command());
    }

    /// Stops the server and starts it again at the same port.
    pub fn restart(&self, shutdown: Shutdown) {
        self.stop(shutdown);
        self.start_again();
    }

    /// Changes parameters that do not need a restart, and waits until the server has read them.
    pub fn reload_with(&self, settings: &[(&str, &str)]) {
        let mut text = fs::read_to_string(&self.settings_file).unwrap();
        for (name, value) in settings {
            writeln!(text, "{name} = '{value}'").unwrap();
        }
        fs::write(&self.settings_file, text).unwrap();

        let mut client = self.connect("postgres");
        let load_time = "SELECT pg_conf_load_time()::text";
        let before: String = client.query_one(load_time, &[]).unwrap().get(0);
        client.execute("SELECT pg_reload_conf()", &[]).unwrap();
        crate::wait_until("the settings are read", || {
            let after: String = client.query_one(load_time, &[]).unwrap().get(0);
            after != before
        });
    }

    /// The id of the server's first process.
    pub fn process_id(&self) -> u32 {
        let file = fs::read_to_string(self.data.join("postmaster.pid")).unwrap();
        file.lines().next().unwrap().trim().parse().unwrap()
    }

    pub(crate) fn start_on_a_free_port(&mut self) {
        const TRIES: usize = 5;
        for attempt in 1..=TRIES {
            self.port = free_port();
            let output = self.start_command().output().unwrap();
            if output.status.success() {
                return;
            }
            let log = fs::read_to_string(self.log_file()).unwrap_or_default();
            // Another process may have taken the port meanwhile.
            assert!(
                attempt < TRIES,
                "PostgreSQL does not start: {}{log}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }

    fn start_command(&self) -> Command {
        let mut command = self.control("start");
        command
            .arg("-l")
            .arg(self.log_file())
            .args(["-o", &format!("-p {}", self.port)]);
        command
    }

    pub(crate) fn control(&self, action: &str) -> Command {
        let mut command = programs::unprivileged(&self.binaries.join("pg_ctl"));
        command
            .args([action, "--wait", "--timeout=120", "--silent", "-D"])
            .arg(&self.data);
        command
    }

    /// Whether the server's log has a text.
    pub fn has_logged(&self, text: &str) -> bool {
        let log = fs::read_to_string(self.log_file());
        log.is_ok_and(|log| log.contains(text))
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

/// Makes an empty cluster whose superuser is [`ADMIN`].
fn initialize(binaries: &Path, data: &Path, folder: &Path) {
    let password_file = folder.join("password");
    fs::write(&password_file, PASSWORD).unwrap();
    programs::give_away(&password_file);

    let mut initdb = programs::unprivileged(&binaries.join("initdb"));
    initdb
        .args(["--no-sync", "--no-locale", "--encoding=UTF8"])
        .args(["--username", ADMIN, "--auth=scram-sha-256"])
        .arg("--pwfile")
        .arg(&password_file)
        .arg("-D")
        .arg(data);
    programs::run(&mut initdb);
}

/// Lets the hosts of tests connect (see [`crate::Host`]).
fn allow_test_hosts(data: &Path) {
    let path = data.join("pg_hba.conf");
    let rules = fs::read_to_string(&path).unwrap();
    fs::write(&path, rules + "host all all 198.18.0.0/15 scram-sha-256\n").unwrap();
}

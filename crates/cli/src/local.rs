//! The server that `steno transcribe` starts for itself where there is none.
//!
//! It is a `steno up` with one worker on a temporary folder. It listens on a free port of the
//! loopback interface and asks for a random key that only this process has. It ends with this
//! process, even when that is killed, and deletes the folder.

mod scratch;

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use steno_settings::{PARENT_VARIABLE, SCRATCH_VARIABLE};

pub(crate) use self::scratch::Scratch;
use crate::client::{CallError, Client};
use crate::output::write_private;
use crate::up::{self, UpArguments};
use crate::{keys, print, weights};

/// Bytes at the end of the log in which the reason of an unexpected end is looked for.
const LOG_TAIL: u64 = 16 << 10;

/// A server of this process alone.
pub(crate) struct LocalServer {
    url: String,
    key: String,
    supervisor: Pid,
    /// Set before the supervisor is asked to end. An end without it is an error.
    is_stopping: Arc<AtomicBool>,
    /// Ends after the supervisor. Taken by the thread that stops it.
    watcher: Mutex<Option<JoinHandle<()>>>,
}

impl LocalServer {
    /// Starts a server whose jobs use the weights `model`, or else those of the settings. Missing
    /// weights are pulled.
    pub(crate) fn start(model: Option<&str>) -> anyhow::Result<Self> {
        let missing = up::missing_programs();
        if !missing.is_empty() {
            let reason = format!(
                "no server answers, and this machine has no {} to transcribe without one; install them beside steno, or \
                 name a server with --url",
                missing.join(" and no ")
            );
            return Err(CallError::NoLocal(reason).into());
        }

        let settings = UpArguments::from_settings()?;
        let model = model.unwrap_or(&settings.model);
        let cache = weights::cache(settings.weights_dir.as_ref())?;
        // The same kind of error as a server's refusal, and so the same exit code.
        weights::provide(&cache, model, settings.weights_pull)
            .map_err(|error| CallError::NoLocal(format!("{error:#}")))?;
        print::note(&format!(
            "transcribing on this machine without a server, with the weights {model}"
        ));

        scratch::remove_left_over();
        let scratch = Scratch::create()?;
        Self::start_in(&scratch, model).inspect_err(|_| scratch.remove())
    }

    fn start_in(scratch: &Scratch, model: &str) -> anyhow::Result<Self> {
        let folder = scratch.path();
        let (keys, key) = keys::add("", "steno")?;
        let keys_file = folder.join("api-keys");
        write_private(&keys_file, keys.as_bytes())?;
        let log = private_log(&folder.join("log"))?;
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
        let url = format!("http://{}", listener.local_addr()?);

        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["up", "--workers", "1", "--model", model])
            .args(["--drain-timeout", "0s", "--log-format", "text"])
            .arg("--data")
            .arg(folder.join("data"))
            .env(PARENT_VARIABLE, process::id().to_string())
            .env(SCRATCH_VARIABLE, folder)
            .env("STENO_API_KEYS_FILE", keys_file)
            // The socket is standard input: the same one after a restart of the api.
            .env("LISTEN_FDS", "1")
            .env("LISTEN_FDS_FIRST_FD", "0")
            .env_remove("LISTEN_PID")
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(log.try_clone()?)
            // Ctrl-C reaches this process alone, which then stops the server.
            .process_group(0);
        let child = command.spawn().context("cannot start steno up")?;

        let supervisor = Pid::from_child(&child);
        let is_stopping = Arc::new(AtomicBool::new(false));
        let watcher = thread::spawn({
            let is_stopping = Arc::clone(&is_stopping);
            move || watch(child, &log, &is_stopping)
        });
        Ok(Self {
            url,
            key,
            supervisor,
            is_stopping,
            watcher: Mutex::new(Some(watcher)),
        })
    }

    /// A client of this server.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url, Some(&self.key))
    }

    /// Ends the server and waits until its folder is deleted. Only the first call does something.
    pub(crate) fn stop(&self) {
        let watcher = self
            .watcher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(watcher) = watcher else {
            return;
        };

        self.is_stopping.store(true, Ordering::SeqCst);
        // It may have ended in this moment.
        let _ = kill_process(self.supervisor, Signal::TERM);
        let _ = watcher.join();
    }
}

/// A log that can still be read when its file is deleted.
fn private_log(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Waits for the end of the supervisor. Ends this program too if the end was not asked for: no
/// job can go on.
#[expect(
    clippy::disallowed_methods,
    reason = "without its private server the command cannot continue"
)]
fn watch(mut supervisor: Child, log: &File, is_stopping: &AtomicBool) {
    let ended = supervisor.wait();
    if is_stopping.load(Ordering::SeqCst) {
        return;
    }

    let status = ended.map_or_else(
        |error| error.to_string(),
        |status: ExitStatus| status.to_string(),
    );
    let reason = last_error(log).unwrap_or(status);
    print::note(&format!(
        "steno: cannot transcribe on this machine: {reason}"
    ));
    process::exit(1);
}

/// The message of the last error in a log.
fn last_error(log: &File) -> Option<String> {
    let length = log.metadata().ok()?.len();
    let start = length.saturating_sub(LOG_TAIL);
    let mut tail = vec![0; (length - start) as usize];
    log.read_exact_at(&mut tail, start).ok()?;

    let tail = String::from_utf8_lossy(&tail).into_owned();
    let line = tail.lines().rfind(|line| line.contains(" ERROR "))?;
    let (_, message) = line.split_once(" ERROR ")?;
    Some(message.to_owned())
}

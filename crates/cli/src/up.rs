//! `steno up`: runs the api and the workers of one machine and restarts them when they end.
//!
//! Also started by [`crate::local`] as the private server of `steno transcribe`.

mod child;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, Parser};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use steno_settings::{
    DatabaseSettings, LogFormat, LogSettings, PARENT_VARIABLE, SCRATCH_VARIABLE, parse_duration,
};
use steno_store::{Place, Store};

use crate::local::Scratch;
use crate::up::child::{Child, Health};
use crate::weights;

/// Pause between two checks of the children.
const TICK: Duration = Duration::from_millis(50);
/// Time beyond the workers' own drain timeout before children are killed.
const STOP_MARGIN: Duration = Duration::from_secs(20);
/// Programs that run as children.
const PROGRAMS: [&str; 3] = ["steno-api", "steno-worker", "steno-courier"];

/// Arguments of `steno up`. The children read all other settings from the environment and the
/// settings file.
#[derive(Args, Debug)]
pub(crate) struct UpArguments {
    /// Worker processes.
    #[arg(long, env = "STENO_WORKERS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    workers: u32,
    /// Folder of the queue and the audio.
    #[arg(long, env = "STENO_DATA", default_value = "data")]
    data: PathBuf,
    #[command(flatten)]
    database: DatabaseSettings,
    /// Address and port to listen on.
    #[arg(long, env = "STENO_BIND", default_value = "127.0.0.1:8080")]
    bind: String,
    /// Name of the weights.
    #[arg(long, env = "STENO_MODEL", default_value = "base")]
    pub(crate) model: String,
    /// Folder of the weights [default: ~/.cache/steno/weights].
    #[arg(long, env = "STENO_WEIGHTS_DIR")]
    pub(crate) weights_dir: Option<PathBuf>,
    /// Whether to download weights that are missing.
    #[arg(long, env = "STENO_WEIGHTS_PULL", default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) weights_pull: bool,
    /// Tasks each worker works on at a time [default: what suits the engine; with several workers, the number of
    /// cores divided among them].
    #[arg(long, env = "STENO_SLOTS", value_parser = clap::value_parser!(u32).range(1..=256))]
    slots: Option<u32>,
    /// Time for running tasks to end when stopping.
    #[arg(long, env = "STENO_DRAIN_TIMEOUT", default_value = "20s", value_parser = parse_duration)]
    drain_timeout: Duration,
    #[command(flatten)]
    pub(crate) log: LogSettings,
}

/// The settings of `steno up` as a command of their own.
#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    up: UpArguments,
}

impl UpArguments {
    /// What the environment and the settings file say.
    pub(crate) fn from_settings() -> anyhow::Result<Self> {
        let no_flags = [OsString::from("steno")];
        let config = steno_settings::config_file();
        let settings: Settings = steno_settings::try_parse_from(no_flags, config.as_deref())?;
        Ok(settings.up)
    }

    /// The settings in the form that the children read.
    fn environment(&self) -> BTreeMap<&'static str, String> {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let mut environment = BTreeMap::from([
            (PARENT_VARIABLE, std::process::id().to_string()),
            ("STENO_DATA", self.data.display().to_string()),
            ("STENO_BIND", self.bind.clone()),
            ("STENO_MODEL", self.model.clone()),
            ("STENO_WEIGHTS_PULL", self.weights_pull.to_string()),
            (
                "STENO_DRAIN_TIMEOUT",
                format!("{}ms", self.drain_timeout.as_millis()),
            ),
            ("STENO_LOG", self.log.log.clone()),
            (
                "STENO_LOG_FORMAT",
                if self.log.log_format == LogFormat::Json {
                    "json"
                } else {
                    "text"
                }
                .to_owned(),
            ),
        ]);

        if let Some(url) = self.database.url() {
            environment.insert("STENO_DATABASE_URL", url.to_owned());
        }
        if let Some(file) = self.database.password_file() {
            environment.insert("STENO_DATABASE_PASSWORD_FILE", file.display().to_string());
        }
        if let Some(file) = self.database.ca_file() {
            environment.insert("STENO_DATABASE_CA_FILE", file.display().to_string());
        }

        // A single worker chooses the slots that suit its engine. Several share the cores.
        let shared = (self.workers > 1).then(|| (cores / self.workers).max(1));
        if let Some(slots) = self.slots.or(shared) {
            environment.insert("STENO_SLOTS", slots.to_string());
        }
        if let Some(file) = steno_settings::config_file() {
            environment.insert("STENO_CONFIG", file.display().to_string());
        }
        if let Some(folder) = &self.weights_dir {
            environment.insert("STENO_WEIGHTS_DIR", folder.display().to_string());
        }

        environment
    }
}

/// Programs of Steno that are neither beside this one nor on the PATH.
pub(crate) fn missing_programs() -> Vec<&'static str> {
    PROGRAMS
        .into_iter()
        .filter(|name| !child::is_installed(name))
        .collect()
}

/// Runs until SIGTERM or SIGINT, or until a child cannot be started.
#[expect(
    clippy::disallowed_methods,
    reason = "the folder is passed by `steno transcribe`, not by users"
)]
pub(crate) fn up(arguments: &UpArguments) -> anyhow::Result<ExitCode> {
    let folder = std::env::var_os(SCRATCH_VARIABLE).map(PathBuf::from);
    let signals = Signals::register(folder.is_none())?;
    let scratch = match folder {
        Some(folder) => {
            steno_settings::die_with_parent();
            Some(Scratch::open(&folder).context("cannot lock the temporary folder")?)
        }
        None => None,
    };
    let ended = run(arguments, &signals);

    if let Some(scratch) = scratch {
        scratch.remove();
    }
    ended
}

fn run(arguments: &UpArguments, signals: &Signals) -> anyhow::Result<ExitCode> {
    // Without weights the workers would end and be restarted for ever.
    let cache = weights::cache(arguments.weights_dir.as_ref())?;
    weights::provide(&cache, &arguments.model, arguments.weights_pull)?;

    let data = arguments.data.display();
    let database = &arguments.database;
    let password_file = database.password_file();
    let place = Place::new(
        &arguments.data,
        database.url(),
        password_file.as_deref(),
        database.ca_file(),
    )?;
    let is_new = Store::init(place)
        .with_context(|| format!("cannot make a queue in {data} (STENO_DATA)"))?;
    if is_new {
        tracing::warn!("there was no queue in {data}: made a new, empty one");
    }

    let mut children = start(arguments)?;
    let ended = watch(&mut children, signals);
    stop_all(&mut children, arguments.drain_timeout + STOP_MARGIN);
    Ok(ended)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the settings of the courier decide whether it starts"
)]
fn start(arguments: &UpArguments) -> anyhow::Result<Vec<Child>> {
    let environment = arguments.environment();
    let [api, worker, courier] = PROGRAMS;
    // It may be the socket to listen on.
    let mut children = vec![Child::new(api, &environment, Stdio::inherit())?];
    for _ in 0..arguments.workers {
        children.push(Child::new(worker, &environment, Stdio::null())?);
    }
    // The jobs of a temporary folder have no webhooks.
    if std::env::var_os(SCRATCH_VARIABLE).is_none() {
        children.push(Child::new(courier, &environment, Stdio::null())?);
    }
    Ok(children)
}

/// The signals that this process reacts to.
struct Signals {
    stop: Arc<AtomicBool>,
    hang_up: Arc<AtomicBool>,
}

impl Signals {
    /// With `second_ends`, a second signal ends this process at once, and the kernel signals the
    /// children. Not for a local server: the kernel sends the death signal once for each thread of
    /// the parent.
    fn register(second_ends: bool) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            if second_ends {
                signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
            }
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        // The api reads its keys again, workers ignore it.
        let hang_up = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGHUP, Arc::clone(&hang_up))?;
        Ok(Self { stop, hang_up })
    }
}

/// Restarts children that end. Returns the exit code of a child that cannot run.
fn watch(children: &mut [Child], signals: &Signals) -> ExitCode {
    while !signals.stop.load(Ordering::SeqCst) {
        if signals.hang_up.swap(false, Ordering::SeqCst) {
            children.iter().for_each(Child::hang_up);
        }
        for child in &mut *children {
            if let Health::Hopeless(code) = child.look_after(Instant::now()) {
                return ExitCode::from(code);
            }
        }
        thread::sleep(TICK);
    }
    ExitCode::SUCCESS
}

/// Asks every child to stop, and kills those that take too long.
fn stop_all(children: &mut [Child], limit: Duration) {
    children.iter().for_each(Child::terminate);
    let began = Instant::now();
    while children.iter_mut().any(Child::is_running) {
        if began.elapsed() > limit {
            tracing::error!("a child does not stop; killing it");
            children.iter_mut().for_each(Child::kill);
            return;
        }
        thread::sleep(TICK);
    }
}

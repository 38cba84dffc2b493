//! `steno up`: the api and the workers of one machine, supervised.

mod child;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use steno_settings::{LogFormat, LogSettings, PARENT_VARIABLE, parse_duration};
use steno_store::Store;

use crate::up::child::{Child, Health};
use crate::weights;

/// Pause between two looks at the children.
const TICK: Duration = Duration::from_millis(50);
/// Time beyond the workers' own drain timeout before children are killed.
const STOP_MARGIN: Duration = Duration::from_secs(20);

/// Arguments of `steno up`. What is not here, the children take from the environment and the settings file.
#[derive(Args, Debug)]
pub(crate) struct UpArguments {
    /// Worker processes.
    #[arg(long, env = "STENO_WORKERS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    workers: u32,
    /// Folder of the queue and the audio.
    #[arg(long, env = "STENO_DATA", default_value = "data")]
    data: PathBuf,
    /// Address and port to listen on.
    #[arg(long, env = "STENO_BIND", default_value = "127.0.0.1:8080")]
    bind: String,
    /// Name of the weights.
    #[arg(long, env = "STENO_MODEL", default_value = "base")]
    model: String,
    /// Folder of the weights [default: ~/.cache/steno/weights].
    #[arg(long, env = "STENO_WEIGHTS_DIR")]
    weights_dir: Option<PathBuf>,
    /// Whether to download weights that are missing.
    #[arg(long, env = "STENO_WEIGHTS_PULL", default_value_t = true, action = clap::ArgAction::Set)]
    weights_pull: bool,
    /// Tasks each worker works on at a time [default: the number of cores, divided among the workers].
    #[arg(long, env = "STENO_SLOTS", value_parser = clap::value_parser!(u32).range(1..=256))]
    slots: Option<u32>,
    /// Time for running tasks to end when stopping.
    #[arg(long, env = "STENO_DRAIN_TIMEOUT", default_value = "20s", value_parser = parse_duration)]
    drain_timeout: Duration,
    #[command(flatten)]
    pub(crate) log: LogSettings,
}

impl UpArguments {
    /// The settings as the children take them.
    fn environment(&self) -> BTreeMap<&'static str, String> {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let slots = self.slots.unwrap_or_else(|| (cores / self.workers).max(1));
        let mut environment = BTreeMap::from([
            (PARENT_VARIABLE, std::process::id().to_string()),
            ("STENO_DATA", self.data.display().to_string()),
            ("STENO_BIND", self.bind.clone()),
            ("STENO_MODEL", self.model.clone()),
            ("STENO_WEIGHTS_PULL", self.weights_pull.to_string()),
            ("STENO_SLOTS", slots.to_string()),
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
        if let Some(file) = steno_settings::config_file() {
            environment.insert("STENO_CONFIG", file.display().to_string());
        }
        if let Some(folder) = &self.weights_dir {
            environment.insert("STENO_WEIGHTS_DIR", folder.display().to_string());
        }
        environment
    }
}

/// Runs until SIGTERM or SIGINT, or until a child cannot be started.
pub(crate) fn up(arguments: &UpArguments) -> anyhow::Result<ExitCode> {
    let cache = weights::cache(arguments.weights_dir.as_ref())?;
    // Weights of one's own are in no catalogue, and cannot be pulled.
    if !weights::is_installed(&cache, &arguments.model)? {
        if !arguments.weights_pull {
            // The workers would ask to be started again for ever.
            bail!(
                "the weights {0} are not in {1}: run `steno weights pull {0}`, or allow it with STENO_WEIGHTS_PULL=true",
                arguments.model,
                cache.folder().display()
            );
        }
        weights::pull(&cache, &arguments.model)?;
    }
    let data = arguments.data.display();
    if Store::init(&arguments.data)
        .with_context(|| format!("cannot make a queue in {data} (STENO_DATA)"))?
    {
        tracing::warn!("there was no queue in {data}: made a new, empty one");
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // A second signal ends this process at once, and the kernel tells the children.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    // The api reads its keys again, workers ignore it.
    let hang_up = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, Arc::clone(&hang_up))?;
    let environment = arguments.environment();
    let mut children = vec![Child::new("steno-api", &environment)?];
    for _ in 0..arguments.workers {
        children.push(Child::new("steno-worker", &environment)?);
    }
    let ended = watch(&mut children, &stop, &hang_up);
    stop_all(&mut children, arguments.drain_timeout + STOP_MARGIN);
    Ok(ended)
}

/// Restarts what dies. The exit code of a child that will never run becomes ours.
fn watch(children: &mut [Child], stop: &AtomicBool, hang_up: &AtomicBool) -> ExitCode {
    while !stop.load(Ordering::SeqCst) {
        if hang_up.swap(false, Ordering::SeqCst) {
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

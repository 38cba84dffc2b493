//! The binary steno-worker: reads settings, loads weights, works until SIGTERM or SIGINT.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use steno_store::{Store, SystemClock};
use steno_worker::{Config, Ended, Worker};

/// Exit code for a start that cannot succeed until a person changes something (`EX_CONFIG` of
/// sysexits.h).
const EXIT_CONFIG: u8 = 78;
/// Exit code when a restart is the remedy (`EX_TEMPFAIL` of sysexits.h).
const EXIT_RESTART: u8 = 75;

fn main() -> ExitCode {
    if let Some(code) = steno_worker::run_if_asked() {
        return code;
    }
    steno_settings::keep_files_private();
    steno_settings::leave_no_core();
    let config: Config = steno_settings::parse();
    steno_settings::start_log(&config.log);
    steno_settings::die_with_parent();
    steno_worker::engine::log_engine();
    let problems = config.problems();
    if !problems.is_empty() {
        tracing::error!("{}", problems.join("; "));
        return ExitCode::from(EXIT_CONFIG);
    }
    match run(config) {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::Broken) => ExitCode::from(EXIT_RESTART),
        Err(error) => {
            tracing::error!("{error:#}");
            let needs_operator = steno_worker::needs_operator(&error);
            ExitCode::from(if needs_operator {
                EXIT_CONFIG
            } else {
                EXIT_RESTART
            })
        }
    }
}

fn run(config: Config) -> anyhow::Result<Ended> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // A second signal ends the process at once, as it would without a handler.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    // It means "read your settings again", and there are none that a worker reads again.
    signal_hook::flag::register(SIGHUP, Arc::default())?;
    let store = Store::open(&config.queue.data, config.store_settings()).with_context(|| {
        format!(
            "cannot open the data folder {} (STENO_DATA)",
            config.queue.data.display()
        )
    })?;
    let engine = steno_worker::load_engine(&config)?;
    let slots = config.slots();
    let worker = Worker::start(
        config,
        Arc::new(store),
        Arc::new(engine),
        Arc::new(SystemClock),
    )?;
    tracing::info!(slots, "working with {slots} slots");
    // Without systemd this does nothing.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let ended = worker.run(&stop)?;
    Ok(ended)
}

//! The binary steno-worker: reads settings, loads weights, works until SIGTERM or SIGINT.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use steno_runner::{EXIT_CONFIG, EXIT_RESTART, Ended, stop_on_signals};
use steno_store::Store;
use steno_worker::{Config, Worker};

/// Blocks that go back to the system when they are freed, in bytes. With those of each slot kept, a worker with eight slots took
/// 439 MB instead of 396.
const LARGE_BLOCK: u32 = 4 << 20;

fn main() -> ExitCode {
    if let Some(code) = steno_worker::run_if_asked() {
        return code;
    }
    steno_settings::return_large_blocks(LARGE_BLOCK);
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
    match run(&config) {
        Ok(ended) => ended.exit_code(),
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

fn run(config: &Config) -> anyhow::Result<Ended> {
    let stop = stop_on_signals()?;
    let store = Store::open(config.place()?, config.store_settings()).with_context(|| {
        format!(
            "cannot open the queue with the data folder {} (STENO_DATA)",
            config.queue.data.display()
        )
    })?;
    let store = store.with_storage(config.queue.storage_url.as_deref())?;
    let engine = steno_worker::load_engine(config)?;

    let slots = config.slots();
    let clock = store.clock();
    let files = store.files().clone();
    let worker = Worker::start(config, Arc::new(store), Arc::new(engine), clock)?;
    tracing::info!(slots, "working with {slots} slots");
    // Without systemd this does nothing.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let ended = worker.run(&stop);
    files.settle_uploads();

    Ok(ended?)
}

//! The binary steno-courier: reads settings, sends webhooks and fetches recordings until SIGTERM or SIGINT.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use steno_courier::{Config, Courier};
use steno_runner::{EXIT_CONFIG, EXIT_RESTART, Ended, stop_on_signals};
use steno_store::{FileAccess, Store, StoreError};

fn main() -> ExitCode {
    steno_settings::keep_files_private();
    steno_settings::leave_no_core();
    let config: Config = steno_settings::parse();
    steno_settings::start_log(&config.log);
    steno_settings::die_with_parent();
    steno_settings::raise_open_files();

    let problems = config.problems();
    if !problems.is_empty() {
        tracing::error!("{}", problems.join("; "));
        return ExitCode::from(EXIT_CONFIG);
    }
    match run(&config) {
        Ok(ended) => ended.exit_code(),
        Err(error) => {
            tracing::error!("{error:#}");
            let store_error = error.chain().find_map(|cause| cause.downcast_ref());
            let needs_operator = store_error.is_some_and(StoreError::needs_operator);
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
    let settings = config.store_settings();
    // What clients choose is contacted here, so this process works without the recordings of others.
    let store = Store::open_for(&config.place()?, settings, FileAccess::Downloads);
    let store = store.with_context(|| {
        format!(
            "cannot open the queue with the data folder {} (STENO_DATA)",
            config.queue.data.display()
        )
    })?;
    let store = store.with_storage(config.queue.storage_url.as_deref())?;
    let clock = store.clock();
    let files = store.files().clone();
    let courier = Courier::start(config, Arc::new(store), clock, stop)?;
    tracing::info!("sending webhooks and fetching recordings");
    // Without systemd this does nothing.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);

    let ended = courier.run();
    files.settle_uploads();

    Ok(ended?)
}

//! The binary steno-api: reads settings, opens the store, serves until SIGTERM or SIGINT.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use steno_api::Config;
use steno_store::Store;
use tokio::signal::unix::{SignalKind, signal};

/// Exit code for a start that cannot succeed until a person changes something (`EX_CONFIG` of
/// sysexits.h).
const EXIT_CONFIG: u8 = 78;

/// Blocks that go back to the system when they are freed, in bytes. Fields of forms and results are large; other blocks are not.
const LARGE_BLOCK: u32 = 1 << 20;

#[expect(
    clippy::disallowed_methods,
    reason = "systemd passes credentials in a variable"
)]
fn main() -> ExitCode {
    steno_settings::return_large_blocks(LARGE_BLOCK);
    steno_settings::keep_files_private();
    steno_settings::leave_no_core();
    let config: Config = steno_settings::parse();
    let config = config.with_credentials(std::env::var_os("CREDENTIALS_DIRECTORY").as_deref());
    steno_settings::start_log(&config.log);
    steno_settings::die_with_parent();
    let problems = config.problems();
    if !problems.is_empty() {
        tracing::error!("{}", problems.join("; "));
        return ExitCode::from(EXIT_CONFIG);
    }
    steno_settings::raise_open_files();
    match actix_web::rt::System::new().block_on(serve(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            if steno_api::needs_operator(&error) {
                ExitCode::from(EXIT_CONFIG)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Opens the queue on a thread for calls that block.
async fn open(config: Config) -> anyhow::Result<Store> {
    let opening = tokio::task::spawn_blocking(move || {
        let store = Store::open(config.place()?, config.store_settings()).with_context(|| {
            format!(
                "cannot open the queue with the data folder {} (STENO_DATA)",
                config.queue.data.display()
            )
        })?;
        let store = store.with_storage(config.queue.storage_url.as_deref())?;
        store.compare_settings()?;
        Ok(store)
    });
    opening.await?
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let store = open(config.clone()).await?;
    let files = store.files().clone();
    let clock = store.clock();
    let server = steno_api::bind(config, Arc::new(store), clock)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let reload_keys = server.reload_keys();
    actix_web::rt::spawn(async move {
        while hangup.recv().await.is_some() {
            reload_keys();
        }
    });

    tracing::info!("listening on http://{}", server.address());
    // Without systemd this does nothing.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let outcome = server
        .run(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
            tracing::info!("stopping");
        })
        .await;
    tokio::task::spawn_blocking(move || files.settle_uploads()).await?;

    Ok(outcome?)
}

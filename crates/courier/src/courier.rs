//! The process: registered like a worker, with slots that download recordings and a loop that sends webhooks.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::Context as _;
use steno_runner::{Ended, RunnerSettings, Supervisor};
use steno_settings::VERSION;
use steno_store::{Audience, Clock, RunRole, RunSettings, Store, StoreError, WakeListener};
use tokio::runtime::Runtime;

use crate::Config;
use crate::dispatch::{self, Dispatch};
use crate::fetch::Fetcher;
use crate::outbound::{Outbound, SystemResolver};
use crate::secrets_file::SecretsFile;
use crate::webhook::WebhookLimits;

/// A courier that is registered.
pub struct Courier {
    supervisor: Supervisor,
    dispatch: Arc<Dispatch>,
    runtime: Runtime,
    listener: WakeListener,
    stop: Arc<AtomicBool>,
}

impl Courier {
    /// Registers this process, which works until `stop` is set.
    pub fn start(
        config: &Config,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        stop: Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        let secrets = SecretsFile::open(config.secrets_file())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        let outbound = Arc::new(Outbound::new(
            config.outbound_allow.clone(),
            Arc::new(SystemResolver),
        ));
        let fetcher = Fetcher {
            outbound: Arc::clone(&outbound),
            limits: config.download_limits(),
            disk_reserve_bytes: config.disk_reserve_bytes,
            runtime: runtime.handle().clone(),
            stop: Arc::clone(&stop),
        };

        let settings = RunnerSettings {
            run: RunSettings {
                role: RunRole::Courier,
                slots: config.fetch_slots,
                model: String::new(),
                version: VERSION.clone(),
            },
            stall_timeout: config.stall_timeout,
            drain_timeout: config.drain_timeout,
            sweep_interval: config.queue.sweep_interval,
        };
        let supervisor = Supervisor::start(
            settings,
            Arc::clone(&store),
            Arc::new(fetcher),
            Arc::clone(&clock),
        )?;
        let run_id = supervisor.run_id().to_owned();
        let listener = store.listen(Audience::Couriers)?;
        let dispatch = Dispatch {
            store,
            clock,
            outbound,
            secrets,
            limits: WebhookLimits::default(),
            run_id,
            in_flight: Mutex::default(),
            is_broken: AtomicBool::new(false),
        };
        Ok(Self {
            supervisor,
            dispatch: Arc::new(dispatch),
            runtime,
            listener,
            stop,
        })
    }

    /// Works until it is asked to stop. Webhooks in flight finish before this run gives up its claims.
    pub fn run(self) -> Result<Ended, StoreError> {
        let Self {
            supervisor,
            dispatch,
            runtime,
            listener,
            stop,
        } = self;
        let have_webhooks_ended = Arc::new(AtomicBool::new(false));

        let sender = {
            let handle = runtime.handle().clone();
            let ended = Arc::clone(&have_webhooks_ended);
            let dispatch = Arc::clone(&dispatch);
            thread::spawn(move || {
                // Set it also if the loop panics, because the process has to end then.
                let _end = SetOnDrop(ended);
                let outcome = dispatch::run(&dispatch, &handle, &listener, &stop);
                if let Err(error) = &outcome {
                    tracing::error!(error = error as &dyn Error, "cannot send webhooks any more");
                }
                outcome.is_ok() && !dispatch.is_broken.load(Ordering::SeqCst)
            })
        };
        let ended = supervisor.run(&have_webhooks_ended);
        // Dropping it would wait for what blocks its threads.
        runtime.shutdown_background();
        let ended = ended?;

        // If the supervisor has failed, do not wait for the loop.
        let have_webhooks_failed =
            have_webhooks_ended.load(Ordering::SeqCst) && !matches!(sender.join(), Ok(true));
        Ok(if have_webhooks_failed {
            Ended::Broken
        } else {
            ended
        })
    }
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

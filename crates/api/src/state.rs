//! What every handler shares: the store behind its blocking bridge, the job watch, the limits.

use std::error::Error;
use std::sync::Arc;

use actix_web::web;
use steno_models::{ProblemCode, TranscribeRequest};
use steno_store::{Clock, DIARIZATION, Now, Store, StoreError};
use tokio::sync::watch;

use crate::Config;
use crate::auth::ApiKeys;
use crate::connection::OpenConnections;
use crate::job_log::JobLogs;
use crate::job_watch::JobWatch;
use crate::key_calls::KeyCalls;
use crate::metrics::Metrics;
use crate::model_names;
use crate::problem::ApiError;
use crate::refusal_log::RefusalLog;
use crate::renders::Renders;
use crate::upload::FormMemory;

/// Exit code after a disk or database error that leaves the state unknown (`EX_IOERR` of sysexits.h).
const EXIT_IO_ERROR: i32 = 74;
/// Longest name of a model that an error repeats.
const MAX_QUOTED_CHARS: usize = 64;

/// Shared by all handlers.
pub(crate) struct ApiState {
    /// The settings, read only.
    pub(crate) config: Config,
    /// The queue. Handlers go through [`ApiState::call_store`].
    pub(crate) store: Arc<Store>,
    /// Wakes requests that wait for a change of their job.
    pub(crate) watch: Arc<JobWatch>,
    /// What is known of the jobs that clients follow.
    pub(crate) logs: JobLogs,
    /// The renderings that clients read.
    pub(crate) renders: Renders,
    /// The numbers of this process.
    pub(crate) metrics: Arc<Metrics>,
    /// How many connections are open.
    pub(crate) connections: OpenConnections,
    /// Who may call.
    pub(crate) keys: Arc<ApiKeys>,
    /// Calls in progress of each key.
    pub(crate) key_calls: KeyCalls,
    /// What the form fields of uploads in progress take.
    pub(crate) form_memory: FormMemory,
    /// Which refused calls are logged.
    pub(crate) refusals: Arc<RefusalLog>,
    /// Turns true when the server is asked to stop.
    pub(crate) stopping: watch::Receiver<bool>,
    /// Handlers go through [`ApiState::now`].
    pub(crate) clock: Arc<dyn Clock>,
}

impl ApiState {
    /// The present moment.
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Names of the weights a job may ask for, the default first.
    pub(crate) async fn models(&self) -> Result<Vec<String>, ApiError> {
        let default = self.config.model.clone();
        let others = self.call_store(Store::announced_models).await?;
        let is_other = |name: &String| *name != default && name != DIARIZATION;
        let others: Vec<_> = others.into_iter().filter(is_other).collect();
        Ok([vec![default], others].concat())
    }

    /// Refuses options that no worker can act on: labels for speakers where the networks are missing.
    pub(crate) async fn check_diarization(
        &self,
        options: &TranscribeRequest,
    ) -> Result<(), ApiError> {
        if !options.diarize {
            return Ok(());
        }
        let announced = self.call_store(Store::announced_models).await?;
        // Until the first worker has started, it is unknown what workers can do.
        if announced.is_empty() || announced.iter().any(|name| name == DIARIZATION) {
            return Ok(());
        }
        let detail = "this server has no networks to tell speakers apart; leave diarize out, or install them with \
                      steno weights pull speakers";
        Err(ApiError::new(ProblemCode::DiarizationUnavailable, detail))
    }

    /// The weights to write into a job: `None` for the default. An error if they are not installed.
    pub(crate) async fn resolve_model(
        &self,
        wanted: Option<String>,
    ) -> Result<Option<String>, ApiError> {
        let Some(wanted) = wanted.filter(|wanted| *wanted != self.config.model) else {
            return Ok(None);
        };
        let models = self.models().await?;
        if models.contains(&wanted) {
            return Ok(Some(wanted));
        }
        let detail = format!(
            "the model {wanted} is not installed here; ask for one of {} (steno weights pull installs others)",
            models.join(", ")
        );
        Err(ApiError::new(ProblemCode::ModelUnavailable, detail))
    }

    /// The weights that a client of OpenAI's API means by a name: `None` for the default. An error if the name means none.
    pub(crate) async fn resolve_openai_model(
        &self,
        name: &str,
    ) -> Result<Option<String>, ApiError> {
        let models = self.models().await?;
        let Some(found) = model_names::resolve(name, &models, &self.config.model_aliases) else {
            let name: String = name.chars().take(MAX_QUOTED_CHARS).collect();
            let detail = format!(
                "the model {name:?} is not installed here; ask for {}, the default, or for one of {}",
                model_names::DEFAULT_MODEL,
                models.join(", ")
            );
            return Err(ApiError::new(ProblemCode::ModelUnavailable, detail));
        };
        Ok(Some(found.clone()).filter(|found| *found != self.config.model))
    }

    /// Runs a store operation on a thread that may block. The only place where a handler's store errors are logged, and
    /// where one that leaves the disk in an unknown state ends the process.
    pub(crate) async fn call_store<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let store = Arc::clone(&self.store);
        self.run_blocking(move || operation(&store)).await
    }

    /// The same for work on a file, which needs no queue.
    pub(crate) async fn run_blocking<T: Send + 'static>(
        &self,
        operation: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let outcome = web::block(operation)
            .await
            .map_err(|_| ApiError::stopping())?;
        outcome.map_err(|error| {
            if error.is_disk_full() {
                tracing::warn!(error = &error as &dyn Error, "disk full");
            } else {
                report(&error, "store operation failed");
            }
            ApiError::from(error)
        })
    }
}

/// Logs an error of the store, and ends the process if the state on disk is unknown: whatever it did next might be wrong.
/// Called for handlers by [`ApiState::call_store`], and by the threads that call the store themselves.
#[expect(
    clippy::disallowed_methods,
    reason = "after a fatal store error the state on disk is unknown, and nothing may be flushed"
)]
pub(crate) fn report(error: &StoreError, what: &str) {
    tracing::error!(error = error as &dyn Error, "{what}");
    if error.is_fatal() {
        std::process::exit(EXIT_IO_ERROR);
    }
}

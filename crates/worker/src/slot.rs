//! A slot: one thread that claims a task, does it, tells the store, and claims the next.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{getpriority_process, setpriority_process};
use steno_store::{Claim, ClaimId, Clock, Finished, Store, StoreError, WorkerRun};

use crate::audio::Control;
use crate::decode_process::DecodeSettings;
use crate::engine::{Engine, Session};
use crate::task::{self, Done, Remedy, TaskContext, TaskError};
use crate::wakeup::Wakeup;

/// Longest wait of an idle slot: a backstop of the backstop.
const IDLE_LIMIT: Duration = Duration::from_secs(10);
/// How much slots give way to others (setpriority(2)).
const SLOT_NICENESS: i32 = 5;
/// Pause before a store operation is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What the slots of a worker share.
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) run: WorkerRun,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) decode: DecodeSettings,
    pub(crate) wakeup: Wakeup,
    /// Set when the worker is asked to stop: no more claims.
    pub(crate) draining: AtomicBool,
}

/// What the thread of a slot and the thread that watches over it both see.
pub(crate) struct SlotState {
    clock: Arc<dyn Clock>,
    claim: Mutex<Option<ClaimId>>,
    stop: AtomicBool,
    /// When the work last gave a sign of life, in milliseconds since boot.
    alive_at_ms: AtomicI64,
}

impl SlotState {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let alive_at_ms = AtomicI64::new(clock.now().boot_ms);
        Self {
            clock,
            claim: Mutex::new(None),
            stop: AtomicBool::new(false),
            alive_at_ms,
        }
    }

    /// The claim it works on.
    pub(crate) fn claim(&self) -> Option<ClaimId> {
        *self.lock()
    }

    /// Asks the work on `claim` to stop at the next opportunity.
    pub(crate) fn stop_claim(&self, claim: ClaimId) {
        let current = self.lock();
        if *current == Some(claim) {
            self.stop.store(true, Ordering::SeqCst);
        }
    }

    /// How long work has been going on without a sign of life; zero while idle.
    pub(crate) fn silent_for(&self, now_boot_ms: i64) -> Duration {
        if self.claim().is_none() {
            return Duration::ZERO;
        }
        Duration::from_millis((now_boot_ms - self.alive_at_ms.load(Ordering::SeqCst)).max(0) as u64)
    }

    fn begin(&self, claim: ClaimId) {
        self.tick();
        let mut current = self.lock();
        self.stop.store(false, Ordering::SeqCst);
        *current = Some(claim);
    }

    fn end(&self) {
        *self.lock() = None;
    }

    fn tick(&self) {
        self.alive_at_ms
            .store(self.clock.now().boot_ms, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Option<ClaimId>> {
        self.claim.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control for SlotState {
    fn should_stop(&self) -> bool {
        self.tick();
        self.stop.load(Ordering::SeqCst)
    }
}

/// Works until the worker drains. An error means that the process has to end.
pub(crate) fn run(shared: &Shared, state: &SlotState) -> Result<(), StoreError> {
    give_way();
    let mut session = shared.engine.session();
    let mut next = None;
    loop {
        let seen = shared.wakeup.count();
        if shared.draining.load(Ordering::SeqCst) {
            if let Some(claim) = next {
                shared.store.release_task(&claim)?;
            }
            return Ok(());
        }
        let claimed = match next.take() {
            Some(claim) => Some(claim),
            None => patiently(shared, || {
                shared.store.claim_task(shared.clock.now(), &shared.run)
            })?,
        };
        match claimed {
            Some(claim) => next = work(shared, state, session.as_mut(), &claim)?,
            None => shared.wakeup.wait(seen, IDLE_LIMIT),
        }
    }
}

/// Heartbeats and the api's answers come before computing: on Linux this is about the calling thread alone.
fn give_way() {
    if getpriority_process(None).is_ok_and(|niceness| niceness < SLOT_NICENESS) {
        // Where it is forbidden, as in our unit, the process was given its niceness.
        let _ = setpriority_process(None, SLOT_NICENESS);
    }
}

/// Does one task and tells the store. Returns the next claim, taken in the same commit.
fn work(
    shared: &Shared,
    state: &SlotState,
    session: &mut dyn Session,
    claim: &Claim,
) -> Result<Option<Claim>, StoreError> {
    let began = Instant::now();
    let job = claim.job_id;
    let request = &claim.request_id;
    tracing::info!(job.id = %job, request.id = request, attempt = claim.attempt, "claimed {} of job {job}", describe(claim));
    state.begin(claim.id);
    let context = TaskContext {
        data: shared.store.data(),
        decode: &shared.decode,
        model: model_of(shared, claim),
        control: state,
    };
    let outcome = task::run(claim, &context, session);
    let elapsed_ms = began.elapsed().as_millis() as u64;
    let finished = settle(shared, state, claim, outcome);
    // Until here a cancellation still finds the claim, and a hang in the store is still seen.
    state.end();
    let finished = finished?;
    if finished.accepted {
        tracing::info!(job.id = %job, request.id = request, elapsed_ms, "ended {} of job {job}", describe(claim));
    } else {
        tracing::info!(job.id = %job, request.id = request, elapsed_ms, "dropped {} of job {job}: the claim is gone", describe(claim));
    }
    Ok(finished.next)
}

/// Tells the store what became of a task.
fn settle(
    shared: &Shared,
    state: &SlotState,
    claim: &Claim,
    outcome: Result<Done, TaskError>,
) -> Result<Finished, StoreError> {
    let more = !shared.draining.load(Ordering::SeqCst);
    let (store, run) = (&shared.store, &shared.run);
    // A pause between two tries is a sign of life: waiting for room on the disk is no hang.
    let now = || {
        state.tick();
        shared.clock.now()
    };
    match outcome {
        Ok(Done::Prepared(prepared, spool)) => {
            let is_planned = prepared.outputs.is_none();
            let outcome = patiently(shared, || {
                store.finish_prepare(now(), run, claim, &prepared, more)
            });
            // A commit that failed may be found whole later, with this spool's name in it: the orphan scan looks then.
            let may_be_named = outcome
                .as_ref()
                .map_or_else(StoreError::is_fatal, |finished| finished.accepted);
            if is_planned && may_be_named {
                spool.keep();
            }
            outcome
        }
        Ok(Done::Transcribed(output)) => {
            let model = model_of(shared, claim);
            patiently(shared, || {
                store.finish_span(now(), run, claim, &output, model, more)
            })
        }
        Err(TaskError::Store(error)) if error.is_fatal() && !error.is_disk_full() => Err(error),
        Err(error) => match error.remedy() {
            Remedy::Release => {
                let accepted = patiently(shared, || store.release_task(claim))?;
                Ok(Finished {
                    accepted,
                    next: None,
                })
            }
            Remedy::Postpone(reason) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(
                    error,
                    job.id = %claim.job_id,
                    reason = reason.as_str(),
                    "the machine is at fault, not the recording: {} of job {} waits",
                    describe(claim),
                    claim.job_id
                );
                let accepted = patiently(shared, || store.postpone_task(now(), claim, reason))?;
                // The next task would probably meet the same: not the whole queue in a second.
                shared.wakeup.wait(shared.wakeup.count(), RETRY_PAUSE);
                Ok(Finished {
                    accepted,
                    next: None,
                })
            }
            Remedy::Fail(failure) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, job.id = %claim.job_id, "cannot do {} of job {}", describe(claim), claim.job_id);
                patiently(shared, || {
                    store.fail_task(now(), run, claim, &failure, more)
                })
            }
        },
    }
}

/// Name of the weights a job is done with.
fn model_of<'a>(shared: &'a Shared, claim: &'a Claim) -> &'a str {
    claim
        .options
        .model
        .as_deref()
        .unwrap_or_else(|| shared.engine.model())
}

/// Tries a store operation until it succeeds: a full disk or a locked database must not cost a result. Gives up where
/// going on would be wrong.
fn patiently<T>(
    shared: &Shared,
    operation: impl Fn() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    loop {
        match operation() {
            Err(error) if !error.is_fatal() && !shared.draining.load(Ordering::SeqCst) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "store operation failed; trying again"
                );
                shared.wakeup.wait(shared.wakeup.count(), RETRY_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

fn describe(claim: &Claim) -> String {
    match &claim.task {
        steno_store::TaskKind::Prepare { .. } => "preparation".to_owned(),
        steno_store::TaskKind::Transcribe(task) => format!("span {}", task.index),
    }
}

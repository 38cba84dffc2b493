//! The process around the tasks: claims them, runs them in slots, and keeps the queue in order.
//!
//! steno-worker uses it, and so does every later process that takes tasks from the queue. The crate
//! knows the store and nothing of audio, engines or the network.
//!
//! # How to write a runner
//! 1. Implement [`TaskRunner`] for what all slots share (settings, weights, a client), and
//!    [`TaskSlot`] for what each slot has for itself. A slot is one thread; its tasks run one after
//!    another in [`TaskSlot::run`], which blocks. A runner that is async inside keeps a
//!    `tokio::runtime::Handle` and calls `block_on` there.
//! 2. Call [`TaskControl::should_stop`] at least every few seconds while a task runs: it is the
//!    slot's sign of life, and it returns true when the claim is cancelled or the process stops.
//!    Async code does so in a `tokio::time::interval` beside its work.
//! 3. Return [`Done`] with what the store is to keep, or [`Undone`] with the decision what follows:
//!    back to the queue, later, a spent try, or the end of the process. Only what the task itself
//!    did wrong costs a try; what is wrong with the machine does not.
//! 4. In `main`: parse the settings, open the store, then [`stop_on_signals`],
//!    [`Supervisor::start`], [`Supervisor::run`]; end with [`Ended::exit_code`].
//!
//! ```no_run
//! use std::sync::Arc;
//! use steno_runner::{
//!     ClaimedTask, Done, RunnerSettings, Supervisor, TaskRunner, TaskSlot, Undone, stop_on_signals,
//! };
//! use steno_store::{Store, TaskKind};
//!
//! struct Nothing;
//!
//! impl TaskRunner for Nothing {
//!     fn kinds(&self) -> &[TaskKind] {
//!         &[]
//!     }
//!
//!     fn open_slot(&self) -> Box<dyn TaskSlot + '_> {
//!         Box::new(Nothing)
//!     }
//! }
//!
//! impl TaskSlot for Nothing {
//!     fn run(&mut self, task: &ClaimedTask<'_>) -> Result<Done, Undone> {
//!         while !task.control.should_stop() {
//!             std::thread::sleep(std::time::Duration::from_millis(100));
//!         }
//!         Err(Undone::Stopped)
//!     }
//! }
//!
//! # fn work(store: Store, settings: RunnerSettings) -> Result<(), Box<dyn std::error::Error>> {
//! let stop = stop_on_signals()?;
//! let clock = store.clock();
//! let supervisor = Supervisor::start(settings, Arc::new(store), Arc::new(Nothing), clock)?;
//! supervisor.run(&stop)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to read
//! `flow.rs` is the life of a task in numbered steps. `supervisor.rs` is the thread that watches the
//! slots. [`Upkeep`] is the housekeeping, which the api does as well.

mod exit;
mod flow;
mod log;
mod shared;
mod slot;
mod supervisor;
mod task;
mod upkeep;
mod wakeup;

pub use exit::{EXIT_CONFIG, EXIT_RESTART, Ended, stop_on_signals};
pub use slot::TaskControl;
pub use supervisor::{RunnerSettings, Supervisor};
pub use task::{ClaimedTask, Done, TaskRunner, TaskSlot, Undone};
pub use upkeep::Upkeep;

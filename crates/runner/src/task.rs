//! What a process has to provide to run tasks: [`TaskRunner`] and [`TaskSlot`].

use std::error::Error;

use steno_store::{Claim, Failure, Postponement, Store, StoreError, TaskKind, TaskOutput};

use crate::TaskControl;

/// What all slots of a process share.
pub trait TaskRunner: Send + Sync {
    /// The kinds of tasks it can do. Tasks of other kinds are left to other processes.
    fn kinds(&self) -> &[TaskKind];

    /// Opens what one slot needs. Called once on the thread of each slot, before its first claim.
    fn open_slot(&self) -> Box<dyn TaskSlot + '_>;

    /// Called once at the start and after each heartbeat, for example to announce what the process
    /// can do. An error that is not fatal is logged, and the next heartbeat tries again.
    fn after_heartbeat(&self, _store: &Store) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What one slot works with.
pub trait TaskSlot {
    /// Does one task. Blocks until it is done; changes no row of the queue.
    fn run(&mut self, task: &ClaimedTask<'_>) -> Result<Done, Undone>;
}

/// A task that this process has claimed.
#[derive(Clone, Copy)]
pub struct ClaimedTask<'a> {
    /// What is to be done.
    pub claim: &'a Claim,
    /// The queue, for its files.
    pub store: &'a Store,
    /// The slot's sign of life, and whether to stop.
    pub control: &'a TaskControl,
}

/// A task that is done.
pub struct Done {
    output: TaskOutput,
    keep_file: Option<Box<dyn FnOnce()>>,
}

impl Done {
    /// A task whose output names no file.
    pub fn new(output: TaskOutput) -> Self {
        Self {
            output,
            keep_file: None,
        }
    }

    /// A task whose output names a file. `keep` is called once the output is committed or may be; it
    /// is dropped uncalled otherwise, and the file with it.
    pub fn with_file(output: TaskOutput, keep: impl FnOnce() + 'static) -> Self {
        Self {
            output,
            keep_file: Some(Box::new(keep)),
        }
    }

    pub(crate) fn into_parts(self) -> (TaskOutput, Option<Box<dyn FnOnce()>>) {
        (self.output, self.keep_file)
    }
}

/// Why a task is not done, and what follows.
#[derive(Debug)]
pub enum Undone {
    /// It was asked to stop: the task goes back to the queue at no charge.
    Stopped,
    /// The machine is at fault, not the task: it is tried again later at no charge.
    Postponed {
        /// What is wrong with the machine.
        reason: Postponement,
        /// For the log.
        error: Box<dyn Error>,
    },
    /// The task is at fault: a try is spent, or the job fails.
    Failed {
        /// For the client.
        failure: Failure,
        /// For the log.
        error: Box<dyn Error>,
    },
    /// It is unknown what is on disk: the process ends, and its tasks are reclaimed.
    Fatal(StoreError),
}

//! Runs: the processes that claim tasks, and what becomes of their tasks when they die.

pub(crate) mod absence;
pub(crate) mod liveness;
mod lock;
pub(crate) mod reclaim;
pub(crate) mod registry;
pub(crate) mod run;

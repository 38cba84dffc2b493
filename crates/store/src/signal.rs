//! Signals between the processes of a queue.

pub(crate) mod wake;

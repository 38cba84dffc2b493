//! PostgreSQL: the queue of processes on many machines.

pub(crate) mod session;

//! Upkeep: what is due is deleted, deadlines follow the clock, and operators look after the queue.

pub(crate) mod back_up;
pub(crate) mod check;
pub(crate) mod clock_jump;
pub(crate) mod counters;
pub(crate) mod delete_files;
pub(crate) mod inspect;
pub(crate) mod place_of_files;
pub(crate) mod settings;
pub(crate) mod sweep;

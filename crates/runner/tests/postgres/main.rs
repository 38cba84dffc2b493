//! What faults of a database server do to a process that runs tasks.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod drains;
mod leases;
mod lost_answers;
mod support;

//! Faults on purpose, on real processes: after each, everything that was accepted ends, with the text it would have had.
//!
//! `cargo test` runs a reduced form, `make faults` (`STENO_FAULTS=full`) the whole. `STENO_FAULTS_SEED` repeats a run.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bed;
mod clock;
mod crash_points;
mod database;
mod decoders;
mod drain;
mod durability;
mod frozen;
mod full_disk;
mod io_errors;
mod kills;
mod machine;
mod overload;
mod poison;
mod privacy;
mod recovery;
mod shim;
mod soak;
mod watchdog;

//! Deliberate faults in real processes: afterwards, every accepted job has ended with its expected text.
//!
//! `cargo test` runs a reduced form, `make faults` (`STENO_FAULTS=full`) the full campaigns. `STENO_FAULTS_SEED` repeats a run.
#![expect(clippy::unwrap_used, reason = "a test that cannot continue fails")]

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

//! The store as the api and the workers see it: real SQLite in a temporary folder, a clock turned by hand, no sleeps.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod clients;
mod coverage;
mod deletion;
mod deliveries;
mod fence;
mod fetch;
mod folder;
mod guards;
mod liveness;
mod operators;
mod owners;
mod queue;
mod releases;
mod rooms;
mod support;
mod upgrades;

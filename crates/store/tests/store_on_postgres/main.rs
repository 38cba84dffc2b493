//! The tests of the store that name no database, on PostgreSQL: one server for all, a database for each.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../store/clients.rs"]
mod clients;
#[path = "../store/concurrent.rs"]
mod concurrent;
#[path = "../store/coverage.rs"]
mod coverage;
#[path = "../store/database.rs"]
mod database;
mod decisions;
#[path = "../store/deletion.rs"]
mod deletion;
#[path = "../store/deliveries.rs"]
mod deliveries;
#[path = "../store/fence.rs"]
mod fence;
#[path = "../store/fetch.rs"]
mod fetch;
#[path = "../store/guards.rs"]
mod guards;
#[path = "../store/liveness.rs"]
mod liveness;
#[path = "../store/operators.rs"]
mod operators;
#[path = "../store/owners.rs"]
mod owners;
mod processes;
#[path = "../store/queue.rs"]
mod queue;
#[path = "../store/releases.rs"]
mod releases;
mod schemas;
mod server;
#[path = "../store/speaker_references.rs"]
mod speaker_references;
#[path = "../store/support.rs"]
mod support;
#[path = "../store/voices.rs"]
mod voices;

/// The database of these tests.
const BACKEND: database::Backend = database::Backend::Postgres;

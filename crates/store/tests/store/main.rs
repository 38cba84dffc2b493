//! The store on SQLite, as the api and the workers see it: a temporary folder, a clock turned by hand, no sleeps.
//!
//! Most modules name no database. They run on PostgreSQL as well: see `../store_on_postgres/main.rs`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod back_up;
mod clients;
mod concurrent;
mod coverage;
mod database;
mod deletion;
mod deliveries;
mod fence;
mod fetch;
mod folder;
mod guards;
mod liveness;
mod one_machine;
mod operators;
mod owners;
mod places;
mod queue;
mod releases;
mod rooms;
mod speaker_references;
mod support;
mod upgrades;
mod voices;

/// The database of these tests.
const BACKEND: database::Backend = database::Backend::Sqlite;

//! The database behind the store. SQL and `rusqlite` appear only here.
//!
//! Operations are written against [`Tx`], which has a method for each statement; the statements are files in `sql/`. Knows the
//! types of the rooms, and none of their rules.

pub(crate) mod back_up;
mod connection;
mod error;
mod migrate;
mod pool;
mod rows;
mod tx;

pub use error::DatabaseError;
pub(crate) use migrate::migrate;
pub(crate) use pool::Database;
pub(crate) use rows::{
    ClaimRow, EarlierJob, EndedClaim, JobRow, NewInput, NewJobRow, NewRun, NextTask, PlanRow,
    Registered, TaskInHand, TaskOfRun, to_json,
};
pub(crate) use tx::{Claimable, JobFiles, Tx};

/// A statement in `sql/`, by name.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/sqlite/sql/",
            $name,
            ".sql"
        ))
    };
}
pub(crate) use sql;

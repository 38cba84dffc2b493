//! [`Tx`]: one transaction, with a method for each statement.
//!
//! Operations of the store are written against these methods. They see no SQL, and they do not know the database: a backend
//! (`sqlite/`, `postgres/`) runs statements with [`Value`]s and lends [`Row`]s.

mod deliveries;
mod fetch;
mod jobs;
mod owners;
mod rows;
mod runs;
pub(crate) mod statement;
mod tasks;
mod upkeep;
pub(crate) mod value;

pub(crate) use rows::{
    DoneClaim, EarlierJob, EndedClaim, JobRow, NewInput, NewJobRow, NewRun, NextTask, Offer,
    PlanRow, Registered, ReservedUpload, TaskInHand, TaskOfRun, VoicesRow, to_json,
};
pub(crate) use statement::{Statement, parameters, sql};
pub(crate) use tasks::Claimable;
pub(crate) use upkeep::JobFiles;
pub(crate) use value::{Cell, Column, Parameters, Row, Value};

use crate::StoreError;
use crate::database::DatabaseError;
use crate::{postgres, sqlite};

/// One transaction of one of the backends.
pub(crate) enum Tx<'a> {
    /// Of SQLite.
    Sqlite(sqlite::SqliteTx<'a>),
    /// Of PostgreSQL.
    Postgres(&'a postgres::PostgresTx),
}

impl Tx<'_> {
    /// Runs a statement. Returns the number of rows that it changed.
    fn execute(
        &self,
        statement: Statement,
        parameters: Parameters<'_>,
    ) -> Result<usize, StoreError> {
        match self {
            Self::Sqlite(tx) => tx.execute(statement.sqlite, parameters),
            Self::Postgres(tx) => tx.execute(statement, parameters),
        }
    }

    /// Runs a statement whose number of changed rows is not of interest. On PostgreSQL it only sends it, so that several statements
    /// cost one round trip; an error is then that of a later statement, or of the commit.
    fn run(&self, statement: Statement, parameters: Parameters<'_>) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.execute(statement.sqlite, parameters).map(drop),
            Self::Postgres(tx) => tx.execute_ahead(statement, parameters),
        }
    }

    /// Runs a statement that has to change one row; `action` says what it does, for the error. Sent as by `run`.
    fn change_row(
        &self,
        statement: Statement,
        parameters: Parameters<'_>,
        action: &'static str,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => match tx.execute(statement.sqlite, parameters)? {
                1 => Ok(()),
                _ => Err(StoreError::Contradiction { action }),
            },
            Self::Postgres(tx) => tx.change_row(statement, parameters, action),
        }
    }

    /// Reads rows of a query, up to the first for which `read` returns `None`.
    fn read_while<T>(
        &self,
        statement: Statement,
        parameters: Parameters<'_>,
        read: impl FnMut(&Row<'_>) -> Result<Option<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        match self {
            Self::Sqlite(tx) => tx.read_while(statement.sqlite, parameters, read),
            Self::Postgres(tx) => tx.read_while(statement, parameters, read),
        }
    }

    /// The first row of a query, if there is one.
    fn first<T>(
        &self,
        statement: Statement,
        parameters: Parameters<'_>,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self {
            Self::Sqlite(tx) => tx.first(statement.sqlite, parameters, read),
            Self::Postgres(tx) => tx.first(statement, parameters, read),
        }
    }

    /// Whether a query has a row.
    fn exists(&self, statement: Statement, parameters: Parameters<'_>) -> Result<bool, StoreError> {
        let first = self.first(statement, parameters, |_| Ok(()))?;
        Ok(first.is_some())
    }

    /// The only row of a query.
    fn one<T>(
        &self,
        statement: Statement,
        parameters: Parameters<'_>,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.first(statement, parameters, read)?
            .ok_or_else(|| DatabaseError::no_row().into())
    }

    /// Every row of a query.
    fn all<T>(
        &self,
        statement: Statement,
        parameters: Parameters<'_>,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.read_while(statement, parameters, |row| read(row).map(Some))
    }
}

//! [`Tx`]: one transaction, with a method for each statement.

mod deliveries;
mod jobs;
mod owners;
mod runs;
mod tasks;
mod upkeep;

pub(crate) use tasks::Claimable;
pub(crate) use upkeep::JobFiles;

use rusqlite::{CachedStatement, Connection, Row, ToSql};

use crate::StoreError;

/// One transaction. Operations of the store are written against its methods, and see no SQL.
pub(crate) struct Tx<'a>(&'a Connection);

/// Named parameters of a statement.
type Parameters<'a> = &'a [(&'a str, &'a dyn ToSql)];

impl<'a> Tx<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self(connection)
    }

    fn statement(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        Ok(self.0.prepare_cached(sql)?)
    }

    /// Runs a statement. Returns the number of rows that it changed.
    fn execute(&self, sql: &str, parameters: Parameters<'_>) -> Result<usize, StoreError> {
        Ok(self.statement(sql)?.execute(parameters)?)
    }

    /// Whether a query has a row.
    fn exists(&self, sql: &str, parameters: Parameters<'_>) -> Result<bool, StoreError> {
        Ok(self.statement(sql)?.exists(parameters)?)
    }

    /// The first row of a query, if there is one.
    fn first<T>(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.statement(sql)?;
        let mut rows = statement.query(parameters)?;
        rows.next()?.map(read).transpose()
    }

    /// The only row of a query.
    fn one<T>(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.first(sql, parameters, read)?
            .ok_or_else(|| rusqlite::Error::QueryReturnedNoRows.into())
    }

    /// Every row of a query.
    fn all<T>(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.statement(sql)?;
        let mut rows = statement.query(parameters)?;
        let mut values = Vec::new();
        while let Some(row) = rows.next()? {
            values.push(read(row)?);
        }
        Ok(values)
    }
}

//! Runs statements on a connection to SQLite.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ToSql};

use crate::StoreError;
use crate::tx::{Cell, Column, Parameters, Row, Value};

/// A transaction that is open on a connection.
pub(crate) struct SqliteTx<'a>(&'a Connection);

impl<'a> SqliteTx<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self(connection)
    }

    pub(crate) fn execute(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<usize, StoreError> {
        Ok(self.bind(sql, parameters)?.raw_execute()?)
    }

    pub(crate) fn first<T>(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.bind(sql, parameters)?;
        let mut rows = statement.raw_query();
        rows.next()?
            .map(|row| read(&Row::Sqlite(SqliteRow(row))))
            .transpose()
    }

    pub(crate) fn read_while<T>(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
        mut read: impl FnMut(&Row<'_>) -> Result<Option<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.bind(sql, parameters)?;
        let mut rows = statement.raw_query();
        let mut values = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(value) = read(&Row::Sqlite(SqliteRow(row)))? else {
                break;
            };
            values.push(value);
        }
        Ok(values)
    }

    /// What is wrong with the file, a line each.
    pub(crate) fn check(&self) -> Result<Vec<String>, StoreError> {
        let mut problems = self.read_while("PRAGMA integrity_check", &[], |row| {
            row.get::<String>(0).map(Some)
        })?;
        problems.retain(|line| line != "ok");

        problems.extend(self.read_while("PRAGMA foreign_key_check", &[], |row| {
            Ok(Some(format!(
                "a row of {} refers to one of {} that is not there",
                row.get::<String>(0)?,
                row.get::<String>(2)?
            )))
        })?);
        Ok(problems)
    }

    /// The statement with its parameters.
    fn bind(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<CachedStatement<'_>, StoreError> {
        let mut statement = self.0.prepare_cached(sql)?;
        for (name, value) in parameters {
            let Some(place) = statement.parameter_index(name)? else {
                return Err(rusqlite::Error::InvalidParameterName((*name).to_owned()).into());
            };
            statement.raw_bind_parameter(place, Bound(value.to_value()))?;
        }
        Ok(statement)
    }
}

/// A value as SQLite takes it.
struct Bound<'a>(Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(value) => ValueRef::Integer(value),
            Value::Real(value) => ValueRef::Real(value),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A row of a query.
pub(crate) struct SqliteRow<'a>(&'a rusqlite::Row<'a>);

impl SqliteRow<'_> {
    pub(crate) fn cell(&self, column: Column<'_>) -> Result<Cell<'_>, StoreError> {
        let value = match column {
            Column::Name(name) => self.0.get_ref(name)?,
            Column::Place(place) => self.0.get_ref(place)?,
        };
        Ok(match value {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(value) => Cell::Int(value),
            ValueRef::Real(value) => Cell::Real(value),
            ValueRef::Text(_) => Cell::Text(value.as_str().map_err(rusqlite::Error::from)?),
            ValueRef::Blob(bytes) => Cell::Blob(bytes),
        })
    }
}

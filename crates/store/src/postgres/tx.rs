//! Runs statements in a transaction that is open on a connection.

use std::cell::RefCell;
use std::collections::BTreeMap;

use postgres::types::ToSql;
use r2d2::PooledConnection;
use serde_json::json;

use super::PostgresError;
use super::connection::Manager;
use super::row::{Bound, PostgresRow};
use crate::StoreError;
use crate::database::Durability;
use crate::tx::{Parameters, Row, Statement, parameters, sql};

/// An open transaction. Rolls back when it is dropped.
pub(crate) struct PostgresTx {
    connection: RefCell<PooledConnection<Manager>>,
    /// What is added to counters just before the commit, by name and label. All transactions update the same few rows: this way
    /// they lock them briefly, and in the same order.
    counts: RefCell<BTreeMap<(String, String), f64>>,
    is_open: bool,
}

impl PostgresTx {
    /// The transaction that has begun on a connection.
    pub(super) fn on(connection: PooledConnection<Manager>) -> Self {
        Self {
            connection: RefCell::new(connection),
            counts: RefCell::default(),
            is_open: true,
        }
    }

    /// No transaction: each statement is one by itself.
    pub(super) fn without_transaction(connection: PooledConnection<Manager>) -> Self {
        Self {
            connection: RefCell::new(connection),
            counts: RefCell::default(),
            is_open: false,
        }
    }

    /// Whether the connection was lost.
    pub(super) fn is_lost(&self) -> bool {
        self.connection.borrow().is_lost()
    }

    /// Commits, which releases the locks, and then waits for the disk if the commit has to be durable.
    pub(super) fn commit(mut self, durability: Durability) -> Result<(), StoreError> {
        self.add_counts()?;
        self.is_open = false;
        let connection = &mut *self.connection.borrow_mut();
        connection.commit()?;
        match durability {
            Durability::Durable => Ok(connection.make_durable()?),
            Durability::Soon => Ok(()),
        }
    }

    /// Adds to a counter with the commit.
    pub(crate) fn count_later(&self, name: &str, label: &str, value: f64) {
        let key = (name.to_owned(), label.to_owned());
        *self.counts.borrow_mut().entry(key).or_default() += value;
    }

    fn add_counts(&self) -> Result<(), StoreError> {
        let counts = self.counts.take();
        if counts.is_empty() {
            return Ok(());
        }
        let counts: serde_json::Value = counts
            .into_iter()
            .map(|((name, label), value)| json!({"name": name, "label": label, "value": value}))
            .collect();
        let parameters = parameters! {":counts": counts.to_string()};
        self.execute(sql!("count", by_backend), parameters)
            .map(drop)
    }

    pub(crate) fn execute(
        &self,
        statement: Statement,
        parameters: Parameters<'_>,
    ) -> Result<usize, StoreError> {
        let connection = &mut *self.connection.borrow_mut();
        let prepared = connection.prepare(statement)?;
        let bound = bind(&prepared.names, parameters)?;
        let changed = connection
            .client
            .execute(&prepared.statement, &references(&bound))?;
        Ok(changed as usize)
    }

    pub(crate) fn first<T>(
        &self,
        statement: Statement,
        parameters: Parameters<'_>,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let rows = self.query(statement, parameters)?;
        rows.first()
            .map(|row| read(&Row::Postgres(PostgresRow(row))))
            .transpose()
    }

    pub(crate) fn read_while<T>(
        &self,
        statement: Statement,
        parameters: Parameters<'_>,
        mut read: impl FnMut(&Row<'_>) -> Result<Option<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut values = Vec::new();
        for row in self.query(statement, parameters)? {
            let Some(value) = read(&Row::Postgres(PostgresRow(&row)))? else {
                break;
            };
            values.push(value);
        }
        Ok(values)
    }

    fn query(
        &self,
        statement: Statement,
        parameters: Parameters<'_>,
    ) -> Result<Vec<postgres::Row>, StoreError> {
        let connection = &mut *self.connection.borrow_mut();
        let prepared = connection.prepare(statement)?;
        let bound = bind(&prepared.names, parameters)?;
        let rows = connection
            .client
            .query(&prepared.statement, &references(&bound))?;
        Ok(rows)
    }
}

impl Drop for PostgresTx {
    fn drop(&mut self) {
        if self.is_open {
            self.connection.borrow_mut().roll_back();
        }
    }
}

/// The parameters in the order of their numbers.
fn bind<'a>(names: &[&str], parameters: Parameters<'a>) -> Result<Vec<Bound<'a>>, PostgresError> {
    if let Some((unknown, _)) = parameters.iter().find(|(name, _)| !names.contains(name)) {
        return Err(PostgresError::UnknownParameter((*unknown).to_owned()));
    }
    let value = |name: &&str| {
        let (_, value) = parameters
            .iter()
            .find(|(given, _)| given == name)
            .ok_or_else(|| PostgresError::UnknownParameter((*name).to_owned()))?;
        Ok(Bound(value.to_value()))
    };
    names.iter().map(value).collect()
}

fn references<'a>(bound: &'a [Bound<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    bound
        .iter()
        .map(|value| value as &(dyn ToSql + Sync))
        .collect()
}

//! Runs statements in a transaction that is open on a connection.

use std::cell::RefCell;
use std::collections::BTreeMap;

use r2d2::PooledConnection;
use serde_json::json;

use super::connection::Manager;
use super::row::PostgresRow;
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
    /// Begins a transaction with the text `begin`, which is sent together with its first statement.
    pub(super) fn begin(mut connection: PooledConnection<Manager>, begin: &str) -> Self {
        connection.begin(begin);
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
        // Whatever the answer is, the transaction or its connection has ended then.
        self.is_open = false;
        self.connection.borrow_mut().commit(durability)
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
        self.execute_ahead(sql!("count", by_backend), parameters)
    }

    pub(crate) fn execute(
        &self,
        statement: Statement,
        parameters: Parameters<'_>,
    ) -> Result<usize, StoreError> {
        let changed = self
            .connection
            .borrow_mut()
            .execute(statement, parameters)?;
        Ok(changed as usize)
    }

    /// Sends a statement without waiting for its answer.
    pub(crate) fn execute_ahead(
        &self,
        statement: Statement,
        parameters: Parameters<'_>,
    ) -> Result<(), StoreError> {
        let mut connection = self.connection.borrow_mut();
        connection.send(statement, parameters)
    }

    /// Sends a statement that has to change one row, without waiting for its answer.
    pub(crate) fn change_row(
        &self,
        statement: Statement,
        parameters: Parameters<'_>,
        action: &'static str,
    ) -> Result<(), StoreError> {
        let mut connection = self.connection.borrow_mut();
        connection.send_change(statement, parameters, action)
    }

    pub(crate) fn first<T>(
        &self,
        statement: Statement,
        parameters: Parameters<'_>,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let rows = self.connection.borrow_mut().query(statement, parameters)?;
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
        let rows = self.connection.borrow_mut().query(statement, parameters)?;
        for row in rows {
            let Some(value) = read(&Row::Postgres(PostgresRow(&row)))? else {
                break;
            };
            values.push(value);
        }
        Ok(values)
    }
}

impl Drop for PostgresTx {
    fn drop(&mut self) {
        if self.is_open {
            self.connection.borrow_mut().roll_back();
        }
    }
}

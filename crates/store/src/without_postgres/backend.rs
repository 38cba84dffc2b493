//! Stands in for `postgres` in programs that are built without the cargo feature of that name.
//!
//! It refuses every address of a database. So there is no value of any other type here, and no method is ever called.

pub(crate) mod address;
pub(crate) mod session;

use crate::database::Durability;
use crate::tx::{Cell, Column, Parameters, Row, Statement, Tx};
use crate::{ServerReport, StoreError};

use address::DatabaseAddress;

/// Has no value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Never {}

/// Has no value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostgresError {}

impl PostgresError {
    pub(crate) fn is_disk_full(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_unavailable(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_outcome_unknown(&self) -> bool {
        match *self {}
    }

    pub(crate) fn needs_operator(&self) -> bool {
        match *self {}
    }
}

/// Has no value.
pub(crate) enum Postgres {}

impl Postgres {
    pub(crate) fn open(address: &DatabaseAddress) -> Result<Self, StoreError> {
        match address.0 {}
    }

    pub(crate) fn open_session(
        &self,
        _lease: std::time::Duration,
    ) -> Result<session::Session, StoreError> {
        match *self {}
    }

    pub(crate) fn write<T>(
        &self,
        _durability: Durability,
        _operation: impl FnMut(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match *self {}
    }

    pub(crate) fn read<T>(
        &self,
        _operation: impl FnMut(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match *self {}
    }

    pub(crate) fn read_statements<T>(
        &self,
        _operation: impl Fn(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match *self {}
    }

    pub(crate) fn make_durable(&self) -> Result<(), StoreError> {
        match *self {}
    }

    pub(crate) fn version(&self) -> Result<i64, StoreError> {
        match *self {}
    }

    pub(crate) fn check_writable(&self) -> Result<(), StoreError> {
        match *self {}
    }

    pub(crate) fn vacuum(&self) -> Result<(), StoreError> {
        match *self {}
    }
}

/// Has no value.
pub(crate) enum PostgresTx {}

impl PostgresTx {
    pub(crate) fn count_later(&self, _name: &str, _label: &str, _value: f64) {
        match *self {}
    }

    pub(crate) fn execute(
        &self,
        _statement: Statement,
        _parameters: Parameters<'_>,
    ) -> Result<usize, StoreError> {
        match *self {}
    }

    pub(crate) fn execute_ahead(
        &self,
        _statement: Statement,
        _parameters: Parameters<'_>,
    ) -> Result<(), StoreError> {
        match *self {}
    }

    pub(crate) fn change_row(
        &self,
        _statement: Statement,
        _parameters: Parameters<'_>,
        _action: &'static str,
    ) -> Result<(), StoreError> {
        match *self {}
    }

    pub(crate) fn first<T>(
        &self,
        _statement: Statement,
        _parameters: Parameters<'_>,
        _read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match *self {}
    }

    pub(crate) fn read_while<T>(
        &self,
        _statement: Statement,
        _parameters: Parameters<'_>,
        _read: impl FnMut(&Row<'_>) -> Result<Option<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        match *self {}
    }
}

/// Has no value.
pub(crate) struct PostgresRow<'a>(&'a Never);

impl PostgresRow<'_> {
    pub(crate) fn cell(&self, _column: Column<'_>) -> Result<Cell<'_>, StoreError> {
        match *self.0 {}
    }
}

impl DatabaseAddress {
    /// Has no value to call it on.
    pub fn inspect(&self) -> Result<ServerReport, StoreError> {
        match self.0 {}
    }
}

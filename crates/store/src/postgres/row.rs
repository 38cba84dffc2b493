//! Values of PostgreSQL's types.

use std::error::Error;

use bytes::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::StoreError;
use crate::tx::{Cell, Column, Value};

/// A value as PostgreSQL takes it: an integer becomes one of the column's width.
#[derive(Debug)]
pub(super) struct Bound<'a>(pub(super) Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(value) => match *kind {
                Type::INT2 => i16::try_from(value)?.to_sql(kind, out),
                Type::INT4 => i32::try_from(value)?.to_sql(kind, out),
                Type::FLOAT8 => (value as f64).to_sql(kind, out),
                _ => value.to_sql(kind, out),
            },
            Value::Real(value) => value.to_sql(kind, out),
            Value::Text(text) => text.to_sql(kind, out),
            Value::Blob(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Each kind of value has one type of column, or the statement is wrong and its test fails.
        true
    }

    to_sql_checked!();
}

/// A row of a query.
pub(crate) struct PostgresRow<'a>(pub(super) &'a postgres::Row);

impl PostgresRow<'_> {
    pub(crate) fn cell(&self, column: Column<'_>) -> Result<Cell<'_>, StoreError> {
        let value: Option<Received<'_>> = match column {
            Column::Name(name) => self.0.try_get(name)?,
            Column::Place(place) => self.0.try_get(place)?,
        };
        Ok(value.map_or(Cell::Null, |value| value.0))
    }
}

struct Received<'a>(Cell<'a>);

impl<'a> FromSql<'a> for Received<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let cell = match *kind {
            Type::BOOL => Cell::Int(bool::from_sql(kind, raw)?.into()),
            Type::INT2 => Cell::Int(i16::from_sql(kind, raw)?.into()),
            Type::INT4 => Cell::Int(i32::from_sql(kind, raw)?.into()),
            Type::INT8 => Cell::Int(i64::from_sql(kind, raw)?),
            Type::FLOAT8 => Cell::Real(f64::from_sql(kind, raw)?),
            Type::BYTEA => Cell::Blob(raw),
            // The binary form of JSON is its text.
            Type::TEXT | Type::JSON => Cell::Text(str::from_utf8(raw)?),
            _ => return Err(format!("a column of type {kind}").into()),
        };
        Ok(Self(cell))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

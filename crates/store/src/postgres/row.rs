//! Values of PostgreSQL's types.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::PostgresError;
use crate::StoreError;
use crate::tx::{Cell, Column, Parameters, Value};

/// A value as PostgreSQL takes it: an integer becomes one of the column's width. It is owned, because a statement may be sent before
/// anything waits for it.
#[derive(Debug)]
pub(super) enum Bound {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Bound {
    pub(super) fn as_parameter(&self) -> &(dyn ToSql + Sync) {
        self
    }
}

impl From<Value<'_>> for Bound {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Int(value) => Self::Int(value),
            Value::Real(value) => Self::Real(value),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Blob(bytes) => Self::Blob(bytes.to_owned()),
        }
    }
}

impl ToSql for Bound {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) => match *kind {
                Type::INT2 => i16::try_from(*value)?.to_sql(kind, out),
                Type::INT4 => i32::try_from(*value)?.to_sql(kind, out),
                Type::FLOAT8 => (*value as f64).to_sql(kind, out),
                _ => value.to_sql(kind, out),
            },
            Self::Real(value) => value.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Blob(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Each kind of value has one type of column, or the statement is wrong and its test fails.
        true
    }

    to_sql_checked!();
}

/// The parameters of a statement in the order of their numbers.
pub(super) fn bind(
    names: &[&str],
    parameters: Parameters<'_>,
) -> Result<Vec<Bound>, PostgresError> {
    if let Some((unknown, _)) = parameters.iter().find(|(name, _)| !names.contains(name)) {
        return Err(PostgresError::UnknownParameter((*unknown).to_owned()));
    }
    let value = |name: &&str| {
        let (_, value) = parameters
            .iter()
            .find(|(given, _)| given == name)
            .ok_or_else(|| PostgresError::UnknownParameter((*name).to_owned()))?;
        Ok(Bound::from(value.to_value()))
    };
    names.iter().map(value).collect()
}

/// A row of a query.
pub(crate) struct PostgresRow<'a>(pub(super) &'a tokio_postgres::Row);

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

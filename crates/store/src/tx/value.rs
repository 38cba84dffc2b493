//! Values that go into a statement and come out of a row, whatever the database.

use crate::StoreError;
use crate::database::DatabaseError;
use crate::{postgres, sqlite};

/// A parameter of a statement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// What can be a parameter.
pub(crate) trait ToValue {
    fn to_value(&self) -> Value<'_>;
}

/// Parameters by the name that they have in the statement, colon included.
pub(crate) type Parameters<'a> = &'a [(&'a str, &'a dyn ToValue)];

/// Implements [`ToValue`] for numbers.
macro_rules! numbers {
    ($($number:ty => $variant:ident),*) => {
        $(impl ToValue for $number {
            fn to_value(&self) -> Value<'_> {
                Value::$variant((*self).into())
            }
        })*
    };
}
numbers!(i64 => Int, u32 => Int, u16 => Int, bool => Int, f64 => Real, f32 => Real);

impl ToValue for str {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value<'_> {
        (*self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

/// A column of a row, as it came from the database.
pub(crate) type Cell<'a> = Value<'a>;

/// A column, by its name or its place from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column<'a> {
    Name(&'a str),
    Place(usize),
}

impl<'a> From<&'a str> for Column<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl From<usize> for Column<'_> {
    fn from(place: usize) -> Self {
        Self::Place(place)
    }
}

/// A row of a query.
pub(crate) enum Row<'a> {
    /// Of SQLite.
    Sqlite(sqlite::SqliteRow<'a>),
    /// Of PostgreSQL.
    Postgres(postgres::PostgresRow<'a>),
}

impl Row<'_> {
    /// A column as a value of Rust.
    pub(crate) fn get<'c, T: FromCell>(
        &self,
        column: impl Into<Column<'c>>,
    ) -> Result<T, StoreError> {
        let column = column.into();
        T::from_cell(self.cell(column)?)
            .ok_or_else(|| DatabaseError::unexpected_type(&format!("{column:?}")).into())
    }

    /// A column as it is.
    pub(crate) fn cell(&self, column: Column<'_>) -> Result<Cell<'_>, StoreError> {
        match self {
            Self::Sqlite(row) => row.cell(column),
            Self::Postgres(row) => row.cell(column),
        }
    }
}

/// What a column can be read as.
pub(crate) trait FromCell: Sized {
    /// `None` where the column holds something else.
    fn from_cell(cell: Cell<'_>) -> Option<Self>;
}

/// Implements [`FromCell`] for integers; numbers out of their range are something else.
macro_rules! integers {
    ($($integer:ty),*) => {
        $(impl FromCell for $integer {
            fn from_cell(cell: Cell<'_>) -> Option<Self> {
                match cell {
                    Cell::Int(value) => value.try_into().ok(),
                    _ => None,
                }
            }
        })*
    };
}
integers!(i64, u32, u16);

impl FromCell for bool {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Int(value) => Some(value != 0),
            _ => None,
        }
    }
}

impl FromCell for f64 {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Real(value) => Some(value),
            Cell::Int(value) => Some(value as f64),
            _ => None,
        }
    }
}

impl FromCell for f32 {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        f64::from_cell(cell).map(|value| value as f32)
    }
}

impl FromCell for String {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }
}

impl FromCell for Vec<u8> {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Blob(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }
}

impl<const N: usize> FromCell for [u8; N] {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Blob(bytes) => bytes.try_into().ok(),
            _ => None,
        }
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}

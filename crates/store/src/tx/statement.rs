//! Statements, and the macros that name them and their parameters.

/// A statement in the form of each backend.
#[derive(Clone, Copy)]
pub(crate) struct Statement {
    /// Its name, which is that of its file.
    pub(crate) name: &'static str,
    /// For SQLite.
    pub(crate) sqlite: &'static str,
    /// For PostgreSQL.
    pub(crate) postgres: &'static str,
}

/// The text of a file below `src`.
macro_rules! text {
    ($folder:literal, $name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/",
            $folder,
            "/",
            $name,
            ".sql"
        ))
    };
}
pub(crate) use text;

/// A statement, by name: the file in `sql/`, or, with `by_backend`, the files of that name in the backends' folders.
macro_rules! sql {
    ($name:literal) => {
        $crate::tx::statement::Statement {
            name: $name,
            sqlite: $crate::tx::statement::text!("sql", $name),
            postgres: $crate::tx::statement::text!("sql", $name),
        }
    };
    ($name:literal, by_backend) => {
        $crate::tx::statement::Statement {
            name: $name,
            sqlite: $crate::tx::statement::text!("sqlite/sql", $name),
            postgres: $crate::tx::statement::text!("postgres/sql", $name),
        }
    };
}
pub(crate) use sql;

/// Named parameters of a statement: `parameters! {":name": value, …}`.
macro_rules! parameters {
    ($($name:literal: $value:expr),* $(,)?) => {
        &[$(($name, &$value as &dyn $crate::tx::value::ToValue)),*] as $crate::tx::Parameters<'_>
    };
}
pub(crate) use parameters;

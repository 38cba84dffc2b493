//! [`ServerReport`]: what `steno doctor` says of a database server.

/// What an inspection of a database server found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReport {
    /// Its version, as `15.10`.
    pub version: String,
    /// Database and host.
    pub place: String,
    /// Migrations that were applied; `None` if there is no queue yet.
    pub applied_migrations: Option<u64>,
    /// Migrations that this program has.
    pub known_migrations: u64,
    /// Settings with which a crash of the server's machine loses accepted jobs or damages the database.
    pub unsafe_settings: Vec<String>,
}

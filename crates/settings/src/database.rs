//! Settings of the database server, for queues on many machines.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;

/// The systemd credential that holds the password if no other file is set.
const PASSWORD_CREDENTIAL: &str = "steno.database-password";

/// Where the rows of the queue are, if not in the data folder.
#[derive(Args, Clone)]
#[expect(
    clippy::struct_field_names,
    reason = "flags and keys of the settings file have the names of the fields"
)]
pub struct DatabaseSettings {
    /// PostgreSQL database that has the rows of the queue, as `postgres://steno@db.example.com/steno`. The connection is
    /// encrypted and the certificate verified, unless the address ends with `?sslmode=disable` [default: a file in the data folder].
    #[arg(long, env = "STENO_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,

    /// File of the password for that database [default: the one in the address].
    #[arg(long, env = "STENO_DATABASE_PASSWORD_FILE")]
    database_password_file: Option<PathBuf>,

    /// File of the certificates (PEM) that may sign the database's [default: those of the system].
    #[arg(long, env = "STENO_DATABASE_CA_FILE")]
    database_ca_file: Option<PathBuf>,
}

impl DatabaseSettings {
    /// The address as it was given. It may contain a password.
    pub fn url(&self) -> Option<&str> {
        self.database_url.as_deref()
    }

    /// The file of the password: the one that is set, or the credential that systemd has passed.
    #[expect(clippy::disallowed_methods, reason = "this is where settings are read")]
    pub fn password_file(&self) -> Option<PathBuf> {
        let credential = || {
            let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
            let file = Path::new(&folder).join(PASSWORD_CREDENTIAL);
            file.exists().then_some(file)
        };
        self.database_password_file.clone().or_else(credential)
    }

    /// The file of the certificates to trust.
    pub fn ca_file(&self) -> Option<&Path> {
        self.database_ca_file.as_deref()
    }
}

impl fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseSettings")
            .field("database_url", &self.database_url.as_ref().map(|_| "…"))
            .field("database_password_file", &self.database_password_file)
            .field("database_ca_file", &self.database_ca_file)
            .finish()
    }
}

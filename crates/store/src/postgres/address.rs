//! [`DatabaseAddress`]: where the PostgreSQL of a queue is, and how to authenticate to it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How long connecting to one host may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long sent bytes may stay without an acknowledgement before the connection counts as lost.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// An idle connection is probed after this time, so that a host that vanished is noticed.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(10);

/// Session settings. They differ from the server's defaults, which shows that a connection is
/// direct: a pooler in transaction mode drops them. Statements read a few rows each: compiling their plans, or starting processes
/// that help with one, takes a hundred times as long as running it. A write has to see what was committed while it waited for its
/// lock, so the isolation level is not the server's default.
const OPTIONS: &str = "-c idle_in_transaction_session_timeout=10s -c lock_timeout=20s -c jit=off \
     -c max_parallel_workers_per_gather=0 -c default_transaction_isolation=read\\ committed";

/// The address of a PostgreSQL database with user and password, from `STENO_DATABASE_URL`. Shows neither in `Debug`.
#[derive(Clone)]
pub struct DatabaseAddress {
    config: Config,
    ca_file: Option<PathBuf>,
}

/// Why an address cannot be used. Never contains the address, which may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The text is no address.
    #[error(
        "is not the address of a PostgreSQL database: write postgres://user@host:5432/database, \
         and put the password into STENO_DATABASE_PASSWORD_FILE"
    )]
    Malformed,
    /// `sslmode=prefer` or `allow` would accept a connection without encryption.
    #[error(
        "names an sslmode that does not protect the connection: leave it out for TLS with a verified certificate, \
         or write sslmode=disable for a server on this machine"
    )]
    UnsafeTls,
    /// There is no host, or no user.
    #[error("names no host: write postgres://user@host:5432/database")]
    NoHost,
}

impl DatabaseAddress {
    /// Parses an address. A password that is not in it comes as `password`; `ca_file` holds the certificates to trust instead of
    /// the system's.
    pub fn parse(
        url: &str,
        password: Option<&str>,
        ca_file: Option<&Path>,
    ) -> Result<Self, AddressError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(AddressError::Malformed);
        }
        // This library knows one verified mode, which is libpq's strictest.
        let url = url.replace("sslmode=verify-full", "sslmode=require");
        if ["prefer", "allow", "verify-ca"]
            .iter()
            .any(|mode| url.contains(&format!("sslmode={mode}")))
        {
            return Err(AddressError::UnsafeTls);
        }

        let mut config = Config::from_str(&url).map_err(|_| AddressError::Malformed)?;
        if config.get_hosts().is_empty() {
            return Err(AddressError::NoHost);
        }
        if config.get_ssl_mode() != SslMode::Disable {
            config.ssl_mode(SslMode::Require);
        }
        if let Some(password) = password {
            config.password(password);
        }

        let options = config.get_options().unwrap_or_default();
        let options = format!("{options} {OPTIONS}");
        config
            .options(options.trim())
            .application_name("steno")
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(UNACKNOWLEDGED)
            .keepalives_idle(KEEPALIVE_AFTER)
            .keepalives_interval(KEEPALIVE_AFTER / 3)
            .keepalives_retries(3);
        Ok(Self {
            config,
            ca_file: ca_file.map(Path::to_owned),
        })
    }

    pub(super) fn config(&self) -> Config {
        self.config.clone()
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.config.get_ssl_mode() != SslMode::Disable
    }

    pub(super) fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// Host and database, for messages.
    pub(super) fn place(&self) -> String {
        let host = self.config.get_hosts().first();
        let host = host.map_or_else(String::new, |host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let database = self.config.get_dbname().unwrap_or_default();
        format!("{database} on {host}")
    }
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseAddress({})", self.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<DatabaseAddress, AddressError> {
        DatabaseAddress::parse(url, Some("secret-in-file"), None)
    }

    #[test]
    fn an_address_is_encrypted_unless_it_says_otherwise() {
        for (url, mode) in [
            ("postgres://steno@db/queue", SslMode::Require),
            (
                "postgresql://db/queue?sslmode=verify-full",
                SslMode::Require,
            ),
            (
                "postgres://steno@db/queue?sslmode=disable",
                SslMode::Disable,
            ),
        ] {
            assert_eq!(parse(url).unwrap().config.get_ssl_mode(), mode, "{url}");
        }
        let unsafe_mode = parse("postgres://steno@db/queue?sslmode=prefer");
        assert_eq!(unsafe_mode.unwrap_err(), AddressError::UnsafeTls);
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for url in [
            "mysql://u:hunter2@db/q",
            "postgres://u:hunter2@db/q?colour=red",
        ] {
            let error = parse(url).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert_eq!(
            parse("postgres:///queue").unwrap_err(),
            AddressError::NoHost
        );
    }

    #[test]
    fn neither_password_is_shown() {
        let shown = format!("{:?}", parse("postgres://u:hunter2@db/queue").unwrap());
        assert_eq!(shown, "DatabaseAddress(queue on db)");
    }
}

//! One connection with its prepared statements, and how the pool makes and judges it.

use std::collections::HashMap;

use postgres::error::SqlState;
use postgres::{Client, NoTls};

use super::address::DatabaseAddress;
use super::error::is_unavailable;
use super::session::ProcessKey;
use super::{PostgresError, tls};
use crate::tx::Statement;

/// A connection to the server.
pub(super) struct Connection {
    pub(super) client: Client,
    prepared: HashMap<&'static str, Prepared>,
}

/// A statement that the server has parsed.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) statement: postgres::Statement,
    /// Parameters in the order of their numbers, colons included.
    pub(super) names: Vec<&'static str>,
}

impl Connection {
    /// Connects, and holds the lock that proves that the process of that key lives.
    pub(super) fn open(address: &DatabaseAddress, key: ProcessKey) -> Result<Self, PostgresError> {
        let mut client = connect(address)?;
        check_is_direct(&mut client)?;
        require_durable_commits(&mut client)?;
        client
            .execute("SELECT pg_advisory_lock_shared($1)", &[&key.number()])
            .map_err(PostgresError::Statement)?;
        Ok(Self {
            client,
            prepared: HashMap::new(),
        })
    }

    /// Runs a text that begins a transaction.
    pub(super) fn begin(&mut self, begin: &str) -> Result<(), PostgresError> {
        self.client.batch_execute(begin).map_err(|error| {
            // The BEGIN may have succeeded.
            self.roll_back();
            PostgresError::Statement(error)
        })
    }

    pub(super) fn commit(&mut self) -> Result<(), PostgresError> {
        self.client.batch_execute("COMMIT").map_err(|error| {
            if is_unavailable(&error) {
                PostgresError::UnknownOutcome(error)
            } else {
                PostgresError::Statement(error)
            }
        })
    }

    /// Waits until everything that is committed so far is on disk, and on the standbys that commits wait for.
    pub(super) fn make_durable(&mut self) -> Result<(), PostgresError> {
        // The commit of this message waits until the WAL up to it is on disk, and all earlier commits are in that WAL.
        self.client
            .batch_execute("SELECT pg_logical_emit_message(true, 'steno', '')")
            .map_err(PostgresError::UnknownOutcome)
    }

    /// If the connection was lost, the server has already rolled back.
    pub(super) fn roll_back(&mut self) {
        let _ = self.client.batch_execute("ROLLBACK");
    }

    /// Frees the space of deleted rows for new ones, and refreshes what the planner knows.
    pub(super) fn vacuum(&mut self) -> Result<(), postgres::Error> {
        self.client.batch_execute("VACUUM (ANALYZE)")
    }

    /// Settings that are off and with which a crash of the server's machine loses commits.
    pub(super) fn unsafe_settings(&mut self) -> Result<Vec<String>, PostgresError> {
        let query = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name";
        let rows = self.client.query(query, &[]);
        let rows = rows.map_err(PostgresError::Statement)?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    pub(super) fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    /// The number of the transaction that begins next: it changes with every commit.
    pub(super) fn last_transaction(&mut self) -> Result<i64, postgres::Error> {
        let query = "SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)";
        Ok(self.client.query_one(query, &[])?.get(0))
    }

    /// The statement, prepared when it is first needed.
    pub(super) fn prepare(&mut self, statement: Statement) -> Result<Prepared, postgres::Error> {
        if let Some(prepared) = self.prepared.get(statement.name) {
            return Ok(prepared.clone());
        }
        let (text, names) = numbered(statement.postgres);
        let prepared = Prepared {
            statement: self.client.prepare(&text)?,
            names,
        };
        self.prepared.insert(statement.name, prepared.clone());
        Ok(prepared)
    }
}

/// A connection that is not pooled.
fn connect(address: &DatabaseAddress) -> Result<Client, PostgresError> {
    let config = postgres::Config::from(address.config());
    let connected = if address.is_encrypted() {
        config.connect(tls::connector(address.ca_file())?)
    } else {
        config.connect(NoTls)
    };
    connected.map_err(|error| {
        // pgbouncer refuses the options of a session with this code.
        let is_refused_option = error.code() == Some(&SqlState::PROTOCOL_VIOLATION);
        match error.as_db_error() {
            Some(refusal) if is_refused_option => {
                PostgresError::Pooler(refusal.message().to_owned())
            }
            Some(_) => PostgresError::Statement(error),
            None => PostgresError::NoConnection(PostgresError::Statement(error).to_string()),
        }
    })
}

/// Checks that the session has its options. A pooler that ignores them shares sessions between
/// transactions.
fn check_is_direct(client: &mut Client) -> Result<(), PostgresError> {
    let row = client
        .query_one("SELECT current_setting('lock_timeout')", &[])
        .map_err(PostgresError::Statement)?;
    let lock_timeout: String = row.get(0);
    if lock_timeout == "20s" {
        return Ok(());
    }
    Err(PostgresError::Pooler(
        "it drops the options of the session".to_owned(),
    ))
}

/// A server, database or user with `synchronous_commit = off` would lose accepted jobs in a crash. Other values remain: they say
/// which standbys a commit waits for.
fn require_durable_commits(client: &mut Client) -> Result<(), PostgresError> {
    client
        .execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
            &[],
        )
        .map(drop)
        .map_err(PostgresError::Statement)
}

/// Makes the connections of a process's pool.
pub(super) struct Manager {
    pub(super) address: DatabaseAddress,
    pub(super) key: ProcessKey,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Connection;
    type Error = PostgresError;

    fn connect(&self) -> Result<Connection, PostgresError> {
        Connection::open(&self.address, self.key)
    }

    fn is_valid(&self, connection: &mut Connection) -> Result<(), PostgresError> {
        connection
            .client
            .is_valid(std::time::Duration::from_secs(5))
            .map_err(PostgresError::Statement)
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.is_lost()
    }
}

/// The text with `$1`, `$2`, … for its named parameters, and the names in that order. Comments are left out.
fn numbered(sql: &'static str) -> (String, Vec<&'static str>) {
    let mut text = String::with_capacity(sql.len());
    let mut names: Vec<&'static str> = Vec::new();
    for line in sql.lines() {
        let mut rest = line.split("--").next().unwrap_or_default();
        while let Some(colon) = rest.find(':') {
            let after = &rest[colon + 1..];
            let length = after
                .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                .unwrap_or(after.len());
            let name = &rest[colon..=colon + length];
            let number = names.iter().position(|known| *known == name);
            let number = number.unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            text.push_str(&rest[..colon]);
            text.push('$');
            text.push_str(&(number + 1).to_string());
            rest = &after[length..];
        }
        text.push_str(rest);
        text.push('\n');
    }
    (text, names)
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn named_parameters_become_numbers_and_comments_are_left_out() {
        let (text, names) = numbered("-- Not :this.\nSELECT :a, :b_c\nWHERE x = :a");
        assert_eq!(text, "\nSELECT $1, $2\nWHERE x = $1\n");
        assert_eq!(names, [":a", ":b_c"]);
    }
}

//! One connection with its prepared statements, and how the pool makes and judges it.

use std::collections::HashMap;

use futures_util::future::join;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};

use super::address::DatabaseAddress;
use super::error::is_unavailable;
use super::link::{Check, Link, LinkError, divides_by_changed_rows};
use super::row::bind;
use super::session::ProcessKey;
use super::{PostgresError, tls};
use crate::StoreError;
use crate::database::Durability;
use crate::tx::{Parameters, Statement};

/// The commit of this message waits until the WAL up to it is on disk, and on the standbys that commits wait for. All earlier
/// commits are in that WAL.
const MAKE_DURABLE: &str = "SELECT pg_logical_emit_message(true, 'steno', '')";

/// A connection to the server.
///
/// Its session is read-only, except in transactions that begin otherwise. So a statement that was sent behind a BEGIN that failed
/// changes nothing.
pub(super) struct Connection {
    link: Link,
    prepared: HashMap<(&'static str, Form), Prepared>,
}

/// How the text of a statement is sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    Plain,
    /// As one that fails unless it changes one row.
    ChangesOne,
}

/// A statement that the server has parsed.
#[derive(Clone)]
struct Prepared {
    statement: tokio_postgres::Statement,
    /// Parameters in the order of their numbers, colons included.
    names: Vec<&'static str>,
}

impl Connection {
    /// Connects, and holds the lock that proves that the process of that key lives.
    pub(super) fn open(address: &DatabaseAddress, key: ProcessKey) -> Result<Self, StoreError> {
        let mut link = connect(address)?;
        check_is_direct(&mut link)?;
        require_durable_commits(&mut link)?;
        let key = key.number();
        link.run_text(&format!(
            "SELECT pg_advisory_lock_shared({key}); SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
        ))?;
        Ok(Self {
            link,
            prepared: HashMap::new(),
        })
    }

    /// Sends a text that begins a transaction, ahead of its first statement.
    pub(super) fn begin(&mut self, begin: &str) {
        self.link.send_text(begin.to_owned(), Check::Begins);
    }

    /// Commits, which releases the locks, and then waits for the disk if the commit has to be durable.
    pub(super) fn commit(&mut self, durability: Durability) -> Result<(), StoreError> {
        if let Err(error) = self.link.settle() {
            self.roll_back();
            return Err(error.into());
        }
        let commit = self.link.call(|client| async move {
            let commit = client.batch_execute("COMMIT");
            Ok(match durability {
                Durability::Soon => (commit.await, Ok(())),
                Durability::Durable => join(commit, client.batch_execute(MAKE_DURABLE)).await,
            })
        });
        let (committed, durable) = commit.map_err(of_commit)?;
        committed.map_err(|error| of_commit(error.into()))?;
        Ok(durable.map_err(PostgresError::UnknownOutcome)?)
    }

    /// Waits until everything that is committed so far is on disk, and on the standbys that commits wait for.
    pub(super) fn make_durable(&mut self) -> Result<(), StoreError> {
        let durable = self
            .link
            .call(|client| async move { Ok(client.batch_execute(MAKE_DURABLE).await) })?;
        Ok(durable.map_err(PostgresError::UnknownOutcome)?)
    }

    /// If the connection was lost, the server has already rolled back.
    pub(super) fn roll_back(&mut self) {
        self.link.forget();
        let _ = self.link.run_text("ROLLBACK");
    }

    /// Runs a statement. Returns the number of rows that it changed.
    pub(super) fn execute(
        &mut self,
        statement: Statement,
        parameters: Parameters<'_>,
    ) -> Result<u64, StoreError> {
        let prepared = self.prepare(statement, Form::Plain)?;
        let bound = bind(&prepared.names, parameters)?;
        Ok(self.link.execute(&prepared.statement, bound)?)
    }

    /// Sends a statement ahead. If it fails, that is the error of a later call, of the commit at the latest.
    pub(super) fn send(
        &mut self,
        statement: Statement,
        parameters: Parameters<'_>,
    ) -> Result<(), StoreError> {
        let prepared = self.prepare(statement, Form::Plain)?;
        let bound = bind(&prepared.names, parameters)?;
        let check = Check::Succeeds;
        self.link.send_statement(prepared.statement, bound, check);
        Ok(())
    }

    /// Sends an UPDATE that has to change one row ahead, as `send` does. `action` says what it does, for the error.
    pub(super) fn send_change(
        &mut self,
        statement: Statement,
        parameters: Parameters<'_>,
        action: &'static str,
    ) -> Result<(), StoreError> {
        let prepared = self.prepare(statement, Form::ChangesOne)?;
        let bound = bind(&prepared.names, parameters)?;
        let check = Check::ChangesOne(action);
        self.link.send_statement(prepared.statement, bound, check);
        Ok(())
    }

    /// The rows of a query.
    pub(super) fn query(
        &mut self,
        statement: Statement,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let prepared = self.prepare(statement, Form::Plain)?;
        let bound = bind(&prepared.names, parameters)?;
        Ok(self.link.query(&prepared.statement, &bound)?)
    }

    /// The rows of a query that is not prepared, with parameters by number.
    pub(super) fn query_text(
        &mut self,
        text: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let rows = self
            .link
            .call(|client| async move { client.query(text, parameters).await })?;
        Ok(rows)
    }

    /// Runs statements without parameters.
    pub(super) fn run_text(&mut self, text: &str) -> Result<(), StoreError> {
        Ok(self.link.run_text(text)?)
    }

    /// Frees the space of deleted rows for new ones, and refreshes what the planner knows.
    pub(super) fn vacuum(&mut self) -> Result<(), StoreError> {
        self.run_text("VACUUM (ANALYZE)")
    }

    /// Settings that are off and with which a crash of the server's machine loses commits.
    pub(super) fn unsafe_settings(&mut self) -> Result<Vec<String>, StoreError> {
        let query = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name";
        let rows = self.query_text(query, &[])?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Fails for an encoding that lacks characters. `SQL_ASCII` stores every byte as it comes.
    pub(super) fn check_encoding(&mut self) -> Result<(), StoreError> {
        let rows = self.query_text("SELECT current_setting('server_encoding')", &[])?;
        let row = rows.first().expect("a query without FROM has a row");
        let encoding: String = row.get(0);
        if ["UTF8", "SQL_ASCII"].contains(&encoding.as_str()) {
            return Ok(());
        }
        Err(PostgresError::Encoding(encoding).into())
    }

    pub(super) fn is_lost(&self) -> bool {
        self.link.is_lost()
    }

    /// The number of the transaction that begins next: it changes with every commit.
    pub(super) fn last_transaction(&mut self) -> Result<i64, StoreError> {
        let query = "SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)";
        let rows = self.query_text(query, &[])?;
        let row = rows.first().expect("a query without FROM has a row");
        Ok(row.get(0))
    }

    /// The statement in one of its forms. Each form is prepared when it is first needed.
    fn prepare(&mut self, statement: Statement, form: Form) -> Result<Prepared, StoreError> {
        let key = (statement.name, form);
        if let Some(prepared) = self.prepared.get(&key) {
            return Ok(prepared.clone());
        }
        let (mut text, names) = numbered(statement.postgres);
        if form == Form::ChangesOne {
            text = divides_by_changed_rows(&text);
        }
        let prepared = Prepared {
            statement: self.link.prepare(&text)?,
            names,
        };
        self.prepared.insert(key, prepared.clone());
        Ok(prepared)
    }
}

/// An error while a commit was on its way. If no answer came, the server may have committed.
fn of_commit(error: LinkError) -> StoreError {
    match error {
        LinkError::Statement(error) if is_unavailable(&error) => {
            PostgresError::UnknownOutcome(error).into()
        }
        error => error.into(),
    }
}

/// A connection that is not pooled.
fn connect(address: &DatabaseAddress) -> Result<Link, PostgresError> {
    let config = address.config();
    let connected = if address.is_encrypted() {
        Link::open(&config, tls::connector(address.ca_file())?)
    } else {
        Link::open(&config, NoTls)
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
fn check_is_direct(link: &mut Link) -> Result<(), StoreError> {
    let query = "SELECT current_setting('lock_timeout')";
    let row = link.call(|client| async move { client.query_one(query, &[]).await })?;
    let lock_timeout: String = row.get(0);
    if lock_timeout == "20s" {
        return Ok(());
    }
    Err(PostgresError::Pooler("it drops the options of the session".to_owned()).into())
}

/// A server, database or user with `synchronous_commit = off` would lose accepted jobs in a crash. Other values remain: they say
/// which standbys a commit waits for.
fn require_durable_commits(link: &mut Link) -> Result<(), StoreError> {
    link.run_text(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
    )?;
    Ok(())
}

/// Makes the connections of a process's pool.
pub(super) struct Manager {
    pub(super) address: DatabaseAddress,
    pub(super) key: ProcessKey,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Connection;
    type Error = StoreError;

    fn connect(&self) -> Result<Connection, StoreError> {
        Connection::open(&self.address, self.key)
    }

    fn is_valid(&self, connection: &mut Connection) -> Result<(), StoreError> {
        connection.run_text("")
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

//! Statements that are sent ahead: an error, or a row that is not there, undoes their transaction.

use steno_testbed::Database;

use super::Postgres;
use super::address::DatabaseAddress;
use super::connection::Connection;
use super::session::ProcessKey;
use crate::StoreError;
use crate::database::Durability;
use crate::tx::{parameters, sql};

const NAME: &str = "name";

struct Server {
    _database: Database,
    address: DatabaseAddress,
    postgres: Postgres,
}

fn server() -> Server {
    let database = steno_testbed::Postgres::shared().create_database();
    let address = DatabaseAddress::parse(&database.url, None, None).unwrap();
    Server {
        postgres: Postgres::open(&address).unwrap(),
        address,
        _database: database,
    }
}

impl Server {
    fn setting(&self) -> Option<String> {
        self.postgres.read(|tx| tx.get_setting(NAME)).unwrap()
    }
}

#[test]
fn what_was_sent_ahead_is_committed() {
    let server = server();
    let written = server
        .postgres
        .write(Durability::Durable, |tx| tx.set_setting(NAME, "value"));
    written.unwrap();
    assert_eq!(server.setting().as_deref(), Some("value"));
}

#[test]
fn a_row_that_is_not_there_undoes_the_transaction() {
    let server = server();
    let outcome = server.postgres.write(Durability::Soon, |tx| {
        tx.set_setting(NAME, "value")?;
        tx.add_done_speech(1, 1)
    });
    assert!(
        matches!(outcome, Err(StoreError::Contradiction { .. })),
        "{outcome:?}"
    );
    assert_eq!(server.setting(), None);
}

#[test]
fn an_error_of_a_statement_that_was_sent_ahead_undoes_the_transaction() {
    let server = server();
    let outcome = server.postgres.write(Durability::Durable, |tx| {
        tx.set_setting(NAME, "value")?;
        // There is no job of that number.
        tx.insert_result(1, "{}")
    });
    let error = outcome.unwrap_err();
    assert!(!error.is_outcome_unknown(), "{error:?}");
    assert_eq!(server.setting(), None);
}

#[test]
fn a_statement_behind_a_begin_that_fails_changes_nothing() {
    let server = server();
    let mut connection = Connection::open(&server.address, ProcessKey::random()).unwrap();
    let mut set = |begin: &str, value: &str| {
        connection.begin(begin);
        let parameters = parameters! {":name": NAME, ":value": value};
        connection.send(sql!("set_setting"), parameters)?;
        connection.commit(Durability::Soon)
    };
    // The first one prepares the statement, so that the second one is sent behind its BEGIN.
    set("BEGIN READ WRITE", "first").unwrap();
    set("BEGIN NONSENSE", "second").unwrap_err();
    assert_eq!(server.setting().as_deref(), Some("first"));
}

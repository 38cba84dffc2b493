//! One database of a test on a shared server.

use std::sync::atomic::{AtomicU32, Ordering};

use postgres::{Client, NoTls};

use crate::Postgres;
use crate::postgres::USER;

/// A database, dropped with this value.
pub struct Database {
    /// Its name.
    pub name: String,
    /// Its address for its owner, who has no special rights, with password, without TLS.
    pub url: String,
    /// Of the superuser, in this database.
    own_admin_url: String,
    /// Of the superuser, outside of it.
    admin_url: String,
}

impl Database {
    /// A copy of the database `template`, which has no connections meanwhile.
    pub(crate) fn copy(server: &Postgres, template: &str) -> Self {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");

        let mut client = server.connect("postgres");
        client
            .batch_execute(&format!(
                "CREATE DATABASE {name} OWNER {USER} TEMPLATE {template}"
            ))
            .unwrap();
        Self {
            url: server.url(&name),
            admin_url: server.admin_url("postgres"),
            own_admin_url: server.admin_url(&name),
            name,
        }
    }

    /// A connection of the superuser to this database.
    pub fn connect(&self) -> Client {
        Client::connect(&self.own_admin_url, NoTls).unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A stopped server needs nothing: its folder is deleted.
        let Ok(mut admin) = Client::connect(&self.admin_url, NoTls) else {
            return;
        };
        let name = &self.name;
        admin
            .batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .ok();
    }
}

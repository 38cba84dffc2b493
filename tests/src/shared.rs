//! What the processes of many machines share: a database of PostgreSQL and a bucket of S3 storage.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use steno_store::DatabaseAddress;
use steno_testbed::{Database, Postgres, S3, files_with};

/// Whether services that do not say where their queue is have it on shared servers (`TEST_QUEUE=shared`) instead of in a data
/// folder (`folder`, or not set).
pub(crate) fn is_asked_for() -> bool {
    let Ok(queue) = std::env::var("TEST_QUEUE") else {
        return false;
    };
    assert!(
        ["folder", "shared"].contains(&queue.as_str()),
        "TEST_QUEUE is neither folder nor shared"
    );
    queue == "shared"
}

/// An empty database and an empty bucket.
pub struct Shared<'a> {
    /// The server of the database.
    pub postgres: &'a Postgres,
    /// The database.
    pub database: Database,
    /// The server of the bucket.
    pub s3: &'a S3,
    /// The name of the bucket.
    pub bucket: String,
}

impl Shared<'static> {
    /// On the servers that all tests of one test binary share.
    pub fn create() -> Self {
        Self::on(Postgres::shared(), S3::shared())
    }
}

impl<'a> Shared<'a> {
    /// On servers of the test's own, which it can stop.
    pub fn on(postgres: &'a Postgres, s3: &'a S3) -> Self {
        Self {
            postgres,
            database: postgres.create_database(),
            s3,
            bucket: s3.create_bucket(),
        }
    }

    /// The settings of a process on this machine.
    pub fn environment(&self) -> BTreeMap<String, String> {
        self.environment_at(Ipv4Addr::LOCALHOST.into())
    }

    /// The settings of a process on a host that reaches this machine at `address`.
    pub fn environment_at(&self, address: IpAddr) -> BTreeMap<String, String> {
        let own = [
            (
                "STENO_DATABASE_URL",
                self.postgres.url_at(address, &self.database.name),
            ),
            ("STENO_STORAGE_URL", format!("s3://{}/queue", self.bucket)),
        ];
        let mut environment = self.s3.environment();
        environment.insert("AWS_ENDPOINT_URL", self.s3.endpoint_at(address));
        environment
            .into_iter()
            .chain(own)
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// The address of the database.
    pub(crate) fn address(&self) -> DatabaseAddress {
        DatabaseAddress::parse(&self.postgres.url(&self.database.name), None, None).unwrap()
    }

    /// Names of recordings and spools in the bucket.
    pub fn files(&self) -> Vec<String> {
        let keys = self.s3.keys(&self.bucket);
        let name = |key: &String| {
            let (folder, name) = key.rsplit_once('/')?;
            let is_ours = folder.ends_with("/audio") || folder.ends_with("/spool");
            is_ours.then(|| name.to_owned())
        };
        keys.iter().filter_map(name).collect()
    }

    /// The folder in which the test's server keeps the objects.
    pub(crate) fn folder(&self) -> PathBuf {
        self.s3.folder().join(&self.bucket).join("queue")
    }

    /// Whether `text` is in a complete object or in a row.
    pub(crate) fn holds(&self, text: &str) -> bool {
        !files_with(&self.folder(), text.as_bytes()).is_empty() || !self.rows_with(text).is_empty()
    }

    /// One number from the database, as its superuser sees it.
    pub fn count(&self, query: &str) -> i64 {
        let row = self.database.connect().query_one(query, &[]);
        row.unwrap_or_else(|error| panic!("{query}: {error}"))
            .get(0)
    }

    /// The tables whose rows contain `text`, with the number of such rows.
    pub fn rows_with(&self, text: &str) -> Vec<(String, i64)> {
        let mut client = self.database.connect();
        let tables = client
            .query(
                "SELECT quote_ident(table_name) FROM information_schema.tables \
                 WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
                &[],
            )
            .unwrap();
        assert!(!tables.is_empty(), "the database has no tables");
        let mut found = Vec::new();
        for table in tables.iter().map(|row| row.get::<_, String>(0)) {
            let query =
                format!("SELECT count(*) FROM {table} AS t WHERE position($1 IN t::text) > 0");
            let rows: i64 = client.query_one(&query, &[&text]).unwrap().get(0);
            if rows > 0 {
                found.push((table, rows));
            }
        }
        found
    }
}

//! What the processes of many machines share: a database of PostgreSQL and a bucket of S3 storage.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use steno_testbed::{Database, Postgres, S3};

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

    /// Keys of recordings and spools in the bucket.
    pub fn files(&self) -> Vec<String> {
        let mut keys = self.s3.keys(&self.bucket);
        keys.retain(|key| key.contains("/audio/") || key.contains("/spool/"));
        keys
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

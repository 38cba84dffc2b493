//! A replica of a test server, which can take the place of its primary.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use crate::postgres::{ADMIN, PASSWORD};
use crate::{Postgres, Shutdown, programs, wait_until};

impl Postgres {
    /// Starts a replica. From then on, a commit with `synchronous_commit = on` waits until it is on the replica's disk as well.
    #[must_use]
    pub fn start_synchronous_standby(&self) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("steno-standby-")
            .tempdir()
            .unwrap();
        programs::give_away(folder.path());
        let data = folder.path().join("data");
        let primary = format!("host=127.0.0.1 port={} user={ADMIN}", self.port());
        programs::run(
            programs::unprivileged(&self.binaries().join("pg_basebackup"))
                .env("PGPASSWORD", PASSWORD)
                .args(["--checkpoint=fast", "--write-recovery-conf"])
                .args(["-d", &primary, "-D"])
                .arg(&data),
        );

        let settings = data.join("postgresql.auto.conf");
        let mut settings = fs::OpenOptions::new().append(true).open(settings).unwrap();
        let socket_folder = folder.path().display();
        writeln!(settings, "unix_socket_directories = '{socket_folder}'").unwrap();
        let mut standby = Self::of_data(data, folder);
        standby.start_on_a_free_port();

        self.reload_with(&[("synchronous_standby_names", "*")]);
        wait_until("the standby is synchronous", || {
            self.replication_process().is_some()
        });
        standby
    }

    /// Stops sending to the standby, as a network that drops packets does. Waits until a commit waits for the standby.
    pub fn cut_replication(&self) {
        let sender = self.replication_process().expect("there is a standby");
        programs::run(Command::new("kill").args(["-STOP", &sender.to_string()]));
        wait_until("a commit waits for the standby", || {
            let query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            let row = self.connect("postgres").query_one(query, &[]).unwrap();
            row.get::<_, i64>(0) > 0
        });
    }

    /// Crashes the primary and promotes this replica of it, at the primary's address.
    pub fn take_over(&mut self, primary: &Self) {
        primary.stop(Shutdown::Immediate);
        self.stop(Shutdown::Fast);
        self.port = primary.port();
        self.start_again();
        programs::run(&mut self.control("promote"));
    }

    /// The id of the process that sends to a synchronous standby.
    fn replication_process(&self) -> Option<i32> {
        let query = "SELECT pid FROM pg_stat_replication WHERE sync_state = 'sync'";
        let rows = self.connect("postgres").query(query, &[]).unwrap();
        rows.first().map(|row| row.get(0))
    }
}

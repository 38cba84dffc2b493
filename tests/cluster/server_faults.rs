//! Faults of the servers: no accepted job is lost, and clients get 503 with `Retry-After` meanwhile.

use std::path::Path;
use std::process::Command;

use steno_e2e::{Client, Service, Settings, Shared, fixture, within};
use steno_testbed::{Pgbouncer, Postgres, S3, Setup, Shutdown};

use crate::load::{settle, under_load};
use crate::{SOON, is_left_to_make_faults, is_unavailable, machine, report, scale};

/// Two machines with a client each.
fn machines(shared: &Shared<'_>) -> ([Service; 2], [Client; 2]) {
    let machines = [machine(shared, 1), machine(shared, 1)];
    let clients = [machines[0].client.clone(), machines[1].client.clone()];
    (machines, clients)
}

/// Waits until an upload is accepted, which proves that the machine works again, and deletes it.
fn works_again(client: &Client) {
    let job = within(SOON * 2, "uploads are accepted again", || {
        client
            .try_upload(&fixture("clip.opus"), "language=en")?
            .accepted()
    });
    client.wait_for_text(job);
    client.delete(&format!("/transcribe/{job}"));
}

#[test]
fn restarts_of_the_database_during_load_lose_nothing() {
    if is_left_to_make_faults() {
        return;
    }
    let (postgres, s3) = (Setup::default().durable().start(), S3::start());
    let shared = Shared::on(&postgres, &s3);
    let (_machines, clients) = machines(&shared);

    let ledger = under_load(&clients, "language=en", || {
        for _ in 0..scale(10, 1) {
            for shutdown in [Shutdown::Fast, Shutdown::Immediate] {
                postgres.restart(shutdown);
                clients.iter().for_each(works_again);
            }
        }
    });

    settle(&clients[0], &ledger);
    let answers = (ledger.accepted.len(), ledger.unavailable, ledger.unanswered);
    report(
        "restarts of PostgreSQL",
        &format!("accepted, 503, unanswered: {answers:?}"),
    );
    assert_eq!(ledger.unanswered, 0);
}

#[test]
fn a_failover_to_a_synchronous_standby_loses_nothing() {
    let (primary, s3) = (Setup::default().durable().start(), S3::start());
    let mut standby = primary.start_synchronous_standby();
    let shared = Shared::on(&primary, &s3);
    let (_machines, clients) = machines(&shared);

    let ledger = under_load(&clients, "language=en", || {
        // What is committed from here on is on the primary alone. Its clients must not get a 202.
        primary.cut_replication();
        standby.take_over(&primary);
        clients.iter().for_each(works_again);
    });

    settle(&clients[0], &ledger);
    let answers = (ledger.accepted.len(), ledger.unavailable, ledger.unanswered);
    report(
        "failover of PostgreSQL",
        &format!("accepted, 503, unanswered: {answers:?}"),
    );
    assert_eq!(ledger.unanswered, 0);
}

#[test]
fn a_server_that_ends_idle_transactions_ends_none_of_ours() {
    if is_left_to_make_faults() {
        return;
    }
    let shared = Shared::create();
    let (_machines, clients) = machines(&shared);
    let ledger = under_load(&clients, "language=en&prompt=wait:400", || {
        let killer = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 \
                      AND state LIKE 'idle in transaction%' AND clock_timestamp() - state_change > interval '1 s'";
        let mut admin = shared.postgres.connect("postgres");
        within(SOON * 4, "jobs are done", || {
            let ended = admin.query(killer, &[&shared.database.name]).unwrap();
            assert!(ended.is_empty(), "a transaction was idle for a second");
            let done = shared.count("SELECT count(*) FROM jobs WHERE status = 'completed'");
            (done >= 10).then_some(())
        });
    });
    settle(&clients[0], &ledger);
}

#[test]
fn while_the_database_is_down_clients_are_told_to_come_back() {
    if is_left_to_make_faults() {
        return;
    }
    let (postgres, s3) = (Setup::default().durable().start(), S3::start());
    let shared = Shared::on(&postgres, &s3);
    let (_machines, [client, _]) = machines(&shared);
    let job = client.submit(&fixture("clip.opus"), "language=en&prompt=wait:500");

    postgres.stop(Shutdown::Fast);
    let path = format!("/transcribe/{job}");
    let answers = [
        client.get("/readyz"),
        client.get(&path),
        client.upload(&fixture("clip.opus"), "language=en"),
        client.delete(&path),
    ];
    for answer in answers {
        assert!(
            is_unavailable(&answer),
            "{} {}",
            answer.status,
            answer.text()
        );
    }
    assert_eq!(client.get("/healthz").status, 200);

    postgres.start_again();
    works_again(&client);
    client.wait_for_text(job);
}

#[test]
fn while_the_storage_is_down_clients_are_told_to_come_back() {
    if is_left_to_make_faults() {
        return;
    }
    let (postgres, s3) = (Postgres::start(), S3::start());
    let shared = Shared::on(&postgres, &s3);
    let (_machines, [client, _]) = machines(&shared);

    s3.stop();
    let answer = client.upload(&fixture("clip.opus"), "language=en");
    assert!(
        is_unavailable(&answer),
        "{} {}",
        answer.status,
        answer.text()
    );

    s3.start_again();
    works_again(&client);
    within(SOON * 4, "no file is left", || {
        shared.files().is_empty().then_some(())
    });
}

#[test]
fn a_limit_on_connections_delays_and_loses_nothing() {
    if is_left_to_make_faults() {
        return;
    }
    let shared = Shared::create();
    let (_machines, clients) = machines(&shared);
    let limit = |connections: i32| {
        let name = &shared.database.name;
        let statement = format!("ALTER DATABASE {name} CONNECTION LIMIT {connections}");
        shared
            .postgres
            .connect("postgres")
            .batch_execute(&statement)
            .unwrap();
    };

    let ledger = under_load(&clients, "language=en", || {
        limit(2);
        shared.postgres.terminate_connections(&shared.database.name);
        within(SOON, "the server refuses a connection", || {
            let refusal = "too many connections for database";
            shared.postgres.has_logged(refusal).then_some(())
        });
        limit(-1);
        clients.iter().for_each(works_again);
    });

    settle(&clients[0], &ledger);
}

#[test]
fn a_full_disk_of_the_database_loses_nothing() {
    if is_left_to_make_faults() {
        return;
    }
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let setup = Setup::default().set("max_wal_size", "64MB").durable();
    let (postgres, s3) = (setup.in_folder(&disk.data()).start(), S3::start());
    let shared = Shared::on(&postgres, &s3);
    let (_machines, clients) = machines(&shared);

    let ledger = under_load(&clients, "language=en", || {
        disk.fill();
        within(SOON, "the server finds its disk full", || {
            postgres.has_logged("No space left on device").then_some(())
        });
        disk.free();
        if !postgres.is_running() {
            postgres.start_again();
        }
        clients.iter().for_each(works_again);
    });

    settle(&clients[0], &ledger);
}

/// A file system in memory, mounted for one test.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, with a message, where mounting is forbidden.
    fn mount() -> Option<Self> {
        let disk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=160m,mode=755", "none"])
            .arg(disk.folder.path())
            .output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            steno_testbed::skip("file systems cannot be mounted here (needs root)");
            return None;
        }
        std::fs::create_dir(disk.data()).unwrap();
        Some(disk)
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn filler(&self) -> std::path::PathBuf {
        self.folder.path().join("filler")
    }

    fn fill(&self) {
        let block = vec![1_u8; 1 << 16];
        let mut file = std::fs::File::create(self.filler()).unwrap();
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(self.folder.path());
    }
}

fn unmount(folder: &Path) {
    Command::new("umount")
        .arg("--lazy")
        .arg(folder)
        .output()
        .ok();
}

#[test]
fn pgbouncer_in_transaction_mode_is_refused_with_the_reason() {
    let shared = Shared::create();
    let Some(pooler) = Pgbouncer::start(shared.postgres, "transaction") else {
        return;
    };
    let mut service = Settings::with_scripted_workers(0)
        .sharing(&shared)
        .start_nothing();

    let url = pooler.url(&shared.database.name);
    let mut api = service.start_process_with("steno-api", &[("STENO_DATABASE_URL", &url)]);

    assert_eq!(api.wait().code(), Some(78), "{}", api.log());
    assert!(api.log().contains("pooler"), "{}", api.log());
}

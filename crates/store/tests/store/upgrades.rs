//! Databases of every released schema are brought up to date, with the jobs in them.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use steno_models::Status;
use steno_store::{Clock as _, JobFilter, ManualClock, RunSettings, Store, TaskInput, TaskOutput};

use crate::support::{KINDS, output, prepared, settings};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The SQL files in a folder, in order.
fn sql_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "sql"))
        .collect();
    files.sort();
    files
}

fn fixtures() -> Vec<PathBuf> {
    sql_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"))
}

/// A queue that an earlier release left: a pending job, one with two spans of which one is done, and a completed one.
fn old_queue(fixture: &Path) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let database = Connection::open(root.path().join("steno.db")).unwrap();
    database
        .execute_batch(&fs::read_to_string(fixture).unwrap())
        .unwrap();
    for folder in ["audio", "spool"] {
        fs::create_dir(root.path().join(folder)).unwrap();
    }
    let names = "SELECT 'audio/' || audio FROM inputs UNION SELECT 'spool/' || spool FROM jobs WHERE spool IS NOT NULL";
    let mut statement = database.prepare(names).unwrap();
    let names = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    for name in names {
        fs::write(root.path().join(name.unwrap()), b"RIFF").unwrap();
    }
    root
}

#[test]
fn every_schema_but_the_newest_has_a_fixture() {
    let migrations = sql_files(&repository().join("migrations/sqlite")).len();
    for version in 1..migrations {
        let name = format!("schema_{version:04}.sql");
        assert!(
            fixtures().iter().any(|path| path.ends_with(&name)),
            "{name} is missing: run scripts/schema-fixtures.py"
        );
    }
}

#[test]
fn the_jobs_of_every_released_schema_go_on() {
    for fixture in fixtures() {
        let name = fixture.display();
        let root = old_queue(&fixture);
        let store = Store::open(root.path(), settings()).unwrap();
        assert_eq!(store.check().unwrap(), Vec::<String>::new(), "{name}");

        let now = ManualClock::at_ms(1_800_000_001_000).now();
        let run = store.begin_run().unwrap();
        let worker = RunSettings {
            role: steno_store::RunRole::Worker,
            slots: 1,
            model: "base".into(),
            version: "1".into(),
        };
        store.register_run(now, &run, &worker).unwrap();
        let mut ids = Vec::new();
        while let Some(claim) = store.claim_task(now, &run, KINDS).unwrap() {
            let output = match &claim.task {
                TaskInput::Prepare { .. } => {
                    TaskOutput::Plan(Box::new(prepared(1, Some(vec![output("whole")]))))
                }
                TaskInput::Transcribe(_) => TaskOutput::Span {
                    output: output("two"),
                    model: "base".to_owned(),
                },
                TaskInput::Voices(_) | TaskInput::Diarize { .. } | TaskInput::Fetch(_) => {
                    panic!("no earlier release has such tasks")
                }
            };
            let finished = store.finish_task(now, &claim, &output, &[]).unwrap();
            assert!(finished.settled.is_stored(), "{name}");
            ids.push(claim.job_id);
        }

        assert_eq!(ids.len(), 2, "{name}");
        let jobs = store.inspect_jobs(&JobFilter::default()).unwrap();
        for job in &jobs {
            assert_eq!(job.status, Status::Completed, "{name}");
        }
        let Some(steno_store::JobLookup::Job(planned, _)) =
            store.get_job(now, None, jobs[1].job_id).unwrap()
        else {
            panic!("{name}: the planned job is gone");
        };
        assert_eq!(planned.result.unwrap().text, "one two", "{name}");
        assert_eq!(store.check().unwrap(), Vec::<String>::new(), "{name}");
    }
}

/// Every table, index and trigger of a database, and the columns of its tables by name.
fn schema(root: &Path) -> Vec<String> {
    let database = Connection::open(root.join("steno.db")).unwrap();
    let query = "
        SELECT type || ' ' || name || ' ' || CASE type WHEN 'table' THEN '' ELSE sql END FROM sqlite_schema WHERE sql IS NOT NULL
        UNION ALL SELECT 'column ' || m.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\"
          FROM sqlite_schema AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table'
        ORDER BY 1";
    let mut statement = database.prepare(query).unwrap();
    let lines = statement.query_map([], |row| row.get(0)).unwrap();
    lines.collect::<Result<_, _>>().unwrap()
}

#[test]
fn every_way_leads_to_the_same_schema() {
    let new = tempfile::tempdir().unwrap();
    Store::init(new.path()).unwrap();
    let expected = schema(new.path());
    for fixture in fixtures() {
        let root = old_queue(&fixture);
        Store::open(root.path(), settings()).unwrap();
        assert_eq!(schema(root.path()), expected, "{}", fixture.display());
    }
}

#[test]
fn ids_of_tasks_are_not_used_again_after_an_upgrade() {
    for fixture in fixtures() {
        let root = old_queue(&fixture);
        let path = root.path().join("steno.db");
        Connection::open(&path)
            .unwrap()
            .execute("DELETE FROM tasks", [])
            .unwrap();
        Store::open(root.path(), settings()).unwrap();
        let insert = "INSERT INTO tasks (job, kind, priority, due_at) VALUES (1, 'prepare', 0, 0) RETURNING id";
        let id: i64 = Connection::open(&path)
            .unwrap()
            .query_row(insert, [], |row| row.get(0))
            .unwrap();
        assert_eq!(id, 4, "{}", fixture.display());
    }
}

#[test]
fn settings_that_differ_from_those_of_the_last_process_are_reported_once() {
    let root = tempfile::tempdir().unwrap();
    Store::init(root.path()).unwrap();
    let first = Store::open(root.path(), settings()).unwrap();
    assert_eq!(first.compare_settings().unwrap(), []);
    assert_eq!(first.compare_settings().unwrap(), []);

    let other = steno_store::StoreSettings {
        ttl: settings().ttl * 2,
        ..settings()
    };
    let second = Store::open(root.path(), other).unwrap();
    let differences = second.compare_settings().unwrap();
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0].name, "STENO_TTL");
    assert_eq!(
        second.compare_settings().unwrap(),
        [],
        "its own value is stored now"
    );
    assert_eq!(
        first.compare_settings().unwrap().len(),
        1,
        "the other one has to be restarted"
    );
}

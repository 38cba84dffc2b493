//! The data folder: made once and on purpose, never left behind, never open to others.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use steno_e2e::{Client, Settings, binary_path, eventually, fixture};

#[test]
fn a_data_folder_that_is_not_there_becomes_no_new_queue() {
    let mut service = Settings::with_scripted_workers(0)
        .in_data_folder()
        .start_nothing();
    let away = service.scratch().join("away");
    fs::rename(service.data(), &away).unwrap();
    for binary in ["steno-api", "steno-worker"] {
        // A path without anything at it, then the empty mount point of a disk that is not mounted.
        for is_mount_point in [false, true] {
            if is_mount_point {
                fs::create_dir(service.data()).unwrap();
            }
            let mut process = service.start_process(binary);
            assert_eq!(process.wait().code(), Some(78), "{}", process.log());
            assert!(
                process.log().contains("there is no queue in"),
                "{}",
                process.log()
            );
            if is_mount_point {
                // Fails if anything was made in it.
                fs::remove_dir(service.data()).unwrap();
            }
            assert!(!service.data().exists());
        }
    }
    fs::rename(&away, service.data()).unwrap();
    service.start_api();
}

#[test]
fn processes_end_when_their_data_folder_is_moved_and_go_on_when_it_is_back() {
    let mut service = Settings::with_scripted_workers(1).in_data_folder().start();
    let job = service
        .client
        .submit(&fixture("clip.opus"), "language=en&prompt=wait:600000");
    let away = service.scratch().join("away");
    fs::rename(service.data(), &away).unwrap();

    let mut api = service.api.take().unwrap();
    assert_eq!(api.wait().code(), Some(74), "{}", api.log());
    assert!(
        api.log().contains("moved, replaced or unmounted"),
        "{}",
        api.log()
    );
    let mut worker = service.workers.remove(0);
    assert_eq!(worker.wait().code(), Some(75), "{}", worker.log());
    assert!(!service.data().exists(), "nothing was made in its place");

    fs::rename(&away, service.data()).unwrap();
    service.start_api();
    assert_eq!(
        service.client.get(&format!("/transcribe/{job}")).status,
        200
    );
}

#[test]
fn init_makes_a_queue_once_and_refuses_folders_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let init = |data: &Path| {
        let output = Command::new(binary_path("steno"))
            .arg("init")
            .env("STENO_DATA", data)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
        )
    };
    let data = folder.path().join("data");
    let (made, said) = init(&data);
    assert!(made && said.contains("made a new queue"), "{said}");
    let (kept, said) = init(&data);
    assert!(kept && said.contains("already"), "{said}");

    let foreign = folder.path().join("home");
    fs::create_dir_all(foreign.join("audio")).unwrap();
    fs::write(foreign.join("audio/interview.wav"), "mine").unwrap();
    let (made, said) = init(&foreign);
    assert!(!made && said.contains("STENO_DATA"), "{said}");
    assert!(foreign.join("audio/interview.wav").exists());
}

#[test]
fn no_file_is_open_to_others_whatever_umask_and_folder_there_were() {
    let service = Settings::with_scripted_workers(0)
        .in_data_folder()
        .start_nothing();
    fs::set_permissions(service.data(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(
        service.data().join("steno.db"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let log = service.scratch().join("api.log");
    let mut api = Command::new("sh")
        .args(["-c", "umask 000; exec \"$0\" 2>\"$1\""])
        .arg(binary_path("steno-api"))
        .arg(&log)
        .envs(service.environment())
        .spawn()
        .unwrap();
    let address = eventually("it listens", || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        log.lines()
            .find_map(|line| Some(line.split_once("listening on ")?.1.trim().to_owned()))
    });
    Client::new(&address).submit(&fixture("clip.opus"), "");
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("was open to other users"), "{said}");

    let paths = everything_in(&service.data());
    assert!(
        paths.iter().any(|path| path.ends_with("steno.db-wal")),
        "{paths:?}"
    );
    for path in paths {
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
    api.kill().unwrap();
    api.wait().unwrap();
}

#[test]
fn starts_that_cannot_succeed_say_so_by_their_exit_code() {
    let mut service = Settings::with_scripted_workers(0)
        .in_data_folder()
        .start_nothing();
    let mut api =
        service.start_process_with("steno-api", &[("STENO_API_KEYS_FILE", "/nowhere/api-keys")]);
    assert_eq!(
        api.wait().code(),
        Some(78),
        "keys that are not there: {}",
        api.log()
    );
    let empty = service.scratch().join("weights");
    fs::create_dir(&empty).unwrap();
    let weights = [
        ("STENO_WEIGHTS_DIR", empty.to_str().unwrap()),
        ("STENO_WEIGHTS_PULL", "false"),
    ];
    let mut worker = service.start_process_with("steno-worker", &weights);
    assert_eq!(
        worker.wait().code(),
        Some(78),
        "weights that are not there: {}",
        worker.log()
    );

    let database = Connection::open(service.data().join("steno.db")).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    for binary in ["steno-api", "steno-worker"] {
        let mut process = service.start_process(binary);
        assert_eq!(
            process.wait().code(),
            Some(78),
            "a schema that is too new: {}",
            process.log()
        );
    }
}

fn everything_in(folder: &Path) -> Vec<PathBuf> {
    let mut paths = vec![folder.to_owned()];
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            paths.push(entry.path());
        }
    }
    paths
}

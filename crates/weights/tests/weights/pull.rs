//! Pulls from the official host, here a local server.

use std::{fs, thread, time::Duration};

use sha2::{Digest, Sha256};
use steno_weights::{Cache, Entry, PullSettings, Source, Stage, WeightsError, pull, pull_entry};

use crate::http_server::{HttpServer, Manner, serve};

pub(crate) const NAME: &str = "tiny-test";

/// Without Python, and patient.
pub(crate) fn settings() -> PullSettings {
    let patience = Duration::from_secs(30);
    PullSettings {
        python: "/nonexistent/python3".into(),
        connect_timeout: patience,
        idle_timeout: patience,
    }
}

pub(crate) fn hex_sha256(bytes: &[u8]) -> &'static str {
    let hex: Vec<String> = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex.concat().leak()
}

fn content() -> Vec<u8> {
    (0..500_000_u32)
        .map(|index| (index.wrapping_mul(index) >> 7) as u8)
        .collect()
}

fn entry(server: &HttpServer) -> Entry {
    let content = content();
    let (size_bytes, sha256) = (content.len() as u64, hex_sha256(&content));
    Entry {
        name: NAME,
        url: server.url,
        size_bytes,
        sha256,
        pypi: None,
    }
}

#[test]
fn a_pulled_file_is_installed_with_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().join("new"));
    let server = serve(content(), Manner::Good);
    let mut downloaded = 0;
    let installed = pull_entry(&cache, &entry(&server), &settings(), &mut |progress| {
        if progress.stage == Stage::Download {
            downloaded = progress.bytes_done;
        }
    })
    .unwrap();

    assert_eq!(downloaded, 500_000);
    assert_eq!(fs::read(&installed.path).unwrap(), content());
    assert_eq!(installed.source, Some(Source::Official));
    assert_eq!(cache.installed().unwrap(), std::slice::from_ref(&installed));
    assert_eq!(cache.open_verified(NAME).unwrap().path(), installed.path);
}

#[test]
fn a_second_pull_sends_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let server = serve(content(), Manner::Good);
    let first = pull_entry(&cache, &entry(&server), &settings(), &mut |_| ()).unwrap();
    let second = pull_entry(&cache, &entry(&server), &settings(), &mut |_| ()).unwrap();
    assert_eq!(first, second);
    assert_eq!(server.requests.lock().unwrap().len(), 1);
}

#[test]
fn a_partial_download_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let server = serve(content(), Manner::Good);
    fs::write(folder.path().join(".tiny-test.part"), &content()[..123_456]).unwrap();
    pull_entry(&cache, &entry(&server), &settings(), &mut |_| ()).unwrap();
    assert_eq!(*server.requests.lock().unwrap(), ["bytes=123456-"]);
    assert!(!folder.path().join(".tiny-test.part").exists());
}

#[test]
fn a_connection_that_keeps_breaking_is_resumed_while_it_brings_something() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(), Manner::BreaksAfter(200_000));
    pull_entry(
        &Cache::new(folder.path()),
        &entry(&server),
        &settings(),
        &mut |_| (),
    )
    .unwrap();
    assert_eq!(
        *server.requests.lock().unwrap(),
        ["-", "bytes=200000-", "bytes=400000-"]
    );
}

#[test]
fn a_server_without_ranges_sends_the_file_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let server = serve(content(), Manner::IgnoresRanges);
    fs::write(folder.path().join(".tiny-test.part"), b"something else").unwrap();
    let installed = pull_entry(&cache, &entry(&server), &settings(), &mut |_| ()).unwrap();
    assert_eq!(fs::read(installed.path).unwrap(), content());
}

#[test]
fn bytes_that_are_not_the_published_ones_are_refused_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let mut other = content();
    other[77] ^= 1;
    let server = serve(other, Manner::Good);
    let error = pull_entry(&cache, &entry(&server), &settings(), &mut |_| ()).unwrap_err();
    let WeightsError::Pull { source, .. } = error else {
        panic!("{error:?}")
    };
    assert!(
        matches!(*source, WeightsError::Mismatch { .. }),
        "{source:?}"
    );
    assert_eq!(cache.installed().unwrap(), []);
    assert!(!folder.path().join(".tiny-test.part").exists());
}

#[test]
fn an_answer_of_another_length_is_not_downloaded() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(b"<html>log in first</html>".to_vec(), Manner::Good);
    pull_entry(
        &Cache::new(folder.path()),
        &entry(&server),
        &settings(),
        &mut |_| (),
    )
    .unwrap_err();
    assert_eq!(
        fs::read(folder.path().join(".tiny-test.part")).unwrap(),
        b""
    );
}

#[test]
fn a_failed_pull_says_what_to_do_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(), Manner::Unavailable);
    let error = pull_entry(
        &Cache::new(folder.path()),
        &entry(&server),
        &settings(),
        &mut |_| (),
    )
    .unwrap_err();
    let expected = format!(
        "cannot pull weights tiny-test: fetch {} by hand, put it in {} and run `steno weights verify tiny-test`",
        server.url,
        folder.path().display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_name_that_is_not_published_cannot_be_pulled() {
    let cache = Cache::new("/nonexistent");
    assert!(matches!(
        pull(&cache, "gigantic", &mut |_| ()),
        Err(WeightsError::UnknownName { .. })
    ));
}

#[test]
fn a_published_file_put_there_by_hand_is_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let server = serve(content(), Manner::Unavailable);
    fs::write(cache.path(NAME).unwrap(), content()).unwrap();
    let installed = pull_entry(&cache, &entry(&server), &settings(), &mut |_| ()).unwrap();
    assert_eq!(installed.source, Some(Source::Official));
    assert!(server.requests.lock().unwrap().is_empty());
    cache.open_verified(NAME).unwrap();
}

#[test]
fn an_unknown_file_put_there_by_hand_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let server = serve(content(), Manner::Good);
    fs::write(cache.path(NAME).unwrap(), b"a model of my own").unwrap();
    let error = pull_entry(&cache, &entry(&server), &settings(), &mut |_| ()).unwrap_err();
    assert!(
        matches!(error, WeightsError::Unrecorded { .. }),
        "{error:?}"
    );
    assert_eq!(
        fs::read(cache.path(NAME).unwrap()).unwrap(),
        b"a model of my own"
    );
}

#[test]
fn a_damaged_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let server = serve(content(), Manner::Good);
    let installed = pull_entry(&cache, &entry(&server), &settings(), &mut |_| ()).unwrap();
    fs::write(&installed.path, &content()[..1000]).unwrap();
    pull_entry(&cache, &entry(&server), &settings(), &mut |_| ()).unwrap();
    assert_eq!(fs::read(&installed.path).unwrap(), content());
}

#[test]
fn what_a_killed_install_left_is_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(), Manner::Good);
    // Killed between record and file, and while writing.
    fs::write(folder.path().join("ggml-tiny-test.json"), "{}").unwrap();
    fs::write(folder.path().join(".new-abcdef"), "half a model").unwrap();
    let cache = Cache::new(folder.path());
    assert_eq!(cache.installed().unwrap(), []);
    pull_entry(&cache, &entry(&server), &settings(), &mut |_| ()).unwrap();
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [".lock", "ggml-tiny-test.bin", "ggml-tiny-test.json"]
    );
}

#[test]
fn of_two_pulls_at_once_one_downloads_and_both_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let server = serve(content(), Manner::Good);
    let entry = entry(&server);
    thread::scope(|scope| {
        let pulls = [(); 2].map(|()| {
            scope.spawn(|| pull_entry(&cache, &entry, &settings(), &mut |_| ()).unwrap())
        });
        let [first, second] = pulls.map(|pull| pull.join().unwrap());
        assert_eq!(first, second);
    });
    assert_eq!(server.requests.lock().unwrap().len(), 1);
}

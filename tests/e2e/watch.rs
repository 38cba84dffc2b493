//! `steno transcribe --watch`: a folder whose recordings get their transcripts as they come.

use std::fs;

use steno_e2e::{Process, Settings, eventually, fixture};

#[test]
fn a_watched_folder_gets_its_transcripts_as_recordings_come() {
    let service = Settings::with_workers(1).start();
    let folder = service.scratch().join("incoming");
    fs::create_dir(&folder).unwrap();
    fs::copy(fixture("clip.opus"), folder.join("before.opus")).unwrap();
    let mut environment = service.environment().clone();
    environment.insert(
        "STENO_URL".to_owned(),
        format!("http://{}", service.address()),
    );
    let words = [
        "transcribe",
        "--watch",
        folder.to_str().unwrap(),
        "--language",
        "en",
        "-f",
        "srt",
    ];

    let mut client = Process::start(
        "steno",
        &words,
        &environment,
        &service.scratch().join("client.log"),
    );

    eventually("the first transcript", || {
        folder.join("before.srt").exists().then_some(())
    });
    fs::copy(fixture("bad/text.txt"), folder.join("broken.mp3")).unwrap();
    client.wait_for_log("unsupported_media");
    fs::copy(fixture("clip.flac"), folder.join("later.flac")).unwrap();
    eventually("the second transcript", || {
        folder.join("later.srt").exists().then_some(())
    });
    client.signal(rustix::process::Signal::INT);
    assert_eq!(client.wait().code(), Some(130));

    assert_eq!(
        client.log().matches("before.opus: job").count(),
        1,
        "nothing is transcribed twice"
    );
}

#[test]
fn a_watched_recording_that_is_refused_gets_a_line_for_programs() {
    let service = Settings::with_workers(0).start();
    let folder = service.scratch().join("incoming");
    fs::create_dir(&folder).unwrap();
    let notes = folder.join("talk.txt");
    fs::write(&notes, "my notes").unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH;
    fs::File::options()
        .write(true)
        .open(&notes)
        .unwrap()
        .set_modified(old)
        .unwrap();
    fs::copy(fixture("clip.opus"), folder.join("talk.opus")).unwrap();
    let url = format!("http://{}", service.address());
    let folder = folder.to_str().unwrap();
    let words = ["transcribe", "--watch", folder, "--json", "--url", &url];
    let log = service.scratch().join("client.log");
    let client = Process::start("steno", &words, service.environment(), &log);
    let line = client.wait_for_log(r#""status":"failed""#);
    assert!(line.contains("talk.txt exists"), "{line}");
    assert_eq!(fs::read_to_string(notes).unwrap(), "my notes");
}

#[test]
fn a_watched_recording_with_a_newer_file_of_its_owner_is_named() {
    let service = Settings::with_workers(0).start();
    let folder = service.scratch().join("incoming");
    fs::create_dir(&folder).unwrap();
    fs::copy(fixture("clip.opus"), folder.join("talk.opus")).unwrap();
    fs::write(folder.join("talk.txt"), "my notes").unwrap();
    let url = format!("http://{}", service.address());
    let words = [
        "transcribe",
        "--watch",
        folder.to_str().unwrap(),
        "--url",
        &url,
    ];
    let log = service.scratch().join("client.log");
    let client = Process::start("steno", &words, service.environment(), &log);

    let line = client.wait_for_log("talk.opus: skipped");
    assert!(line.contains("talk.txt is newer"), "{line}");
    assert_eq!(
        fs::read_to_string(folder.join("talk.txt")).unwrap(),
        "my notes"
    );
}

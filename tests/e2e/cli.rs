//! The command line against a running service.

use std::fs;

use steno_e2e::{Process, Settings, eventually, fixture, same_words};

#[test]
fn transcribe_writes_the_result_and_acknowledges_it() {
    let service = Settings::with_workers(1).start();
    let out = service.scratch().join("out.srt");
    let audio = fixture("clip.flac");
    let (code, _, log) = service.cli(&[
        "transcribe",
        audio.to_str().unwrap(),
        "--language",
        "en",
        "--format",
        "srt",
        "-o",
        out.to_str().unwrap(),
    ]);

    assert_eq!(code, Some(0), "{log}");
    assert!(fs::read_to_string(out).unwrap().starts_with("1\n00:00:0"));
    let (code, text, log) =
        service.cli(&["transcribe", audio.to_str().unwrap(), "--language", "en"]);
    assert_eq!(code, Some(0), "{log}");
    assert!(
        same_words(&text, &fs::read_to_string(fixture("clip.txt")).unwrap()),
        "{text}"
    );
    let id = log
        .split(|c: char| !c.is_ascii_hexdigit() && c != '-')
        .find(|word| word.len() == 36)
        .unwrap();
    assert_eq!(
        service.client.get(&format!("/transcribe/{id}")).status,
        410,
        "it was acknowledged"
    );

    let (code, ..) = service.cli(&["status", id]);
    assert_ne!(code, Some(0));
    let (code, ..) = service.cli(&["transcribe", fixture("bad/text.txt").to_str().unwrap()]);

    assert_eq!(code, Some(1));
}

#[test]
fn many_recordings_in_many_formats_are_reported_as_json() {
    let service = Settings::with_workers(1).set("STENO_SLOTS", "2").start();
    let folder = service.scratch().join("recordings");
    fs::create_dir_all(folder.join("inner")).unwrap();
    fs::copy(fixture("clip.opus"), folder.join("one.opus")).unwrap();
    fs::copy(fixture("clip.flac"), folder.join("inner/two.flac")).unwrap();
    fs::write(folder.join("notes.txt"), "no recording").unwrap();
    let named = folder.to_str().unwrap();
    let words = [
        "transcribe",
        named,
        "--language",
        "en",
        "-f",
        "text,srt,json",
        "--words",
        "--json",
    ];

    let (code, lines, log) = service.cli(&words);
    assert_eq!(code, Some(0), "{log}");
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(
        |line| line["status"] == "completed" && line["outputs"].as_array().unwrap().len() == 3
    ));
    let job: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.join("one.json")).unwrap()).unwrap();
    assert!(job["result"]["segments"][0]["words"][0]["end"].is_number());
    assert!(
        fs::read_to_string(folder.join("inner/two.srt"))
            .unwrap()
            .starts_with("1\n")
    );

    let (code, jobs, _) = service.cli(&["jobs", "--json"]);

    assert_eq!(
        (code, jobs.as_str()),
        (Some(0), ""),
        "every job was acknowledged"
    );
}

#[test]
fn files_that_are_no_transcripts_of_ours_are_left_alone() {
    let service = Settings::with_workers(1).start();
    let folder = service.scratch().join("talks");
    fs::create_dir(&folder).unwrap();
    let audio = folder.join("talk.opus");
    let notes = folder.join("talk.txt");
    fs::copy(fixture("clip.opus"), &audio).unwrap();
    fs::write(&notes, "my notes").unwrap();
    let transcribe = |more: &[&str]| {
        let words = [
            "transcribe",
            folder.to_str().unwrap(),
            "--json",
            "--language",
            "en",
        ];
        service.cli(&[&words[..], more].concat())
    };

    let (code, _, log) = transcribe(&[]);
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("talk.txt exists, and Steno did not write it"),
        "{log}"
    );
    assert_eq!(fs::read_to_string(&notes).unwrap(), "my notes");

    let (code, line, log) = transcribe(&["--skip-existing"]);
    assert_eq!(code, Some(0), "{log}");
    assert!(
        line.contains(r#""status":"skipped""#) && log.contains("talk.opus: skipped"),
        "{line}{log}"
    );
    let (_, jobs, _) = service.cli(&["jobs", "--json"]);
    assert_eq!(jobs, "", "nothing was uploaded");

    let (code, _, log) = transcribe(&["--force"]);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains(&format!("wrote {}", notes.display())), "{log}");
    assert_ne!(fs::read_to_string(&notes).unwrap(), "my notes");

    let (code, _, log) = transcribe(&[]);
    assert_eq!(code, Some(0), "its own transcript is replaced: {log}");
    let out = service.scratch().join("new/out");
    let (code, _, log) = transcribe(&["-o", &format!("{}/", out.display())]);
    assert_eq!(code, Some(0), "{log}");
    assert!(out.join("talk.txt").is_file());

    let job = service.client.submit(&audio, "language=en").to_string();
    let beside = folder.join("later.opus");
    let (code, _, log) = service.cli(&[
        "fetch",
        &job,
        "-f",
        "text,srt",
        "--beside",
        beside.to_str().unwrap(),
    ]);
    assert_eq!(code, Some(0), "{log}");
    assert!(
        folder.join("later.txt").is_file() && folder.join("later.srt").is_file(),
        "{log}"
    );
}

#[test]
fn errors_use_the_words_of_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api-keys");
    let mut add = std::process::Command::new(steno_e2e::binary_path("steno"));
    assert!(
        add.args(["keys", "add", "alice", "--api-keys-file"])
            .arg(&file)
            .output()
            .unwrap()
            .status
            .success()
    );
    let service = Settings::with_workers(0)
        .set("STENO_API_KEYS_FILE", file.to_str().unwrap())
        .start();

    // Without http://, and without a key: on the routes of Steno and on those of OpenAI.
    let (code, _, log) = service.cli(&["jobs", "--url", service.address()]);
    assert_eq!(code, Some(3));
    assert!(
        log.contains("asks for an API key; set STENO_API_KEY"),
        "{log}"
    );
    let data = service.data();
    let (_, findings, _) = service.cli(&["doctor", "--data", data.to_str().unwrap()]);
    assert!(
        findings.contains("asks for an API key") && !findings.contains("no Steno server"),
        "{findings}"
    );

    let (_, _, log) = service.cli(&["transcribe", "no\u{1b}]0;such\u{7}.wav"]);
    assert!(
        log.contains(r"no\u{1b}]0;such\u{7}.wav: cannot read"),
        "{log:?}"
    );

    let audio = fixture("clip.opus");
    let (code, _, log) = service.cli(&["transcribe", audio.to_str().unwrap(), "--beam-size", "99"]);
    assert_eq!(code, Some(2));
    assert!(log.contains("--beam-size: "), "{log}");
}

#[test]
fn an_interrupted_client_says_how_to_get_its_transcript_later() {
    let mut service = Settings::with_workers(0).start();
    let mut environment = service.environment().clone();
    environment.insert(
        "STENO_URL".to_owned(),
        format!("http://{}", service.address()),
    );
    let audio = fixture("clip.opus");
    let out = service.scratch().join("it is.srt");
    let out = out.to_str().unwrap();
    let words = [
        "transcribe",
        audio.to_str().unwrap(),
        "--language",
        "en",
        "-f",
        "srt",
        "-o",
        out,
    ];

    let mut client = Process::start(
        "steno",
        &words,
        &environment,
        &service.scratch().join("client.log"),
    );

    client.wait_for_log("clip.opus: job ");
    client.wait_for_log("no worker is running");
    client.signal(rustix::process::Signal::INT);
    assert_eq!(client.wait().code(), Some(130));
    let advice = client.wait_for_log("steno fetch ");
    let id = advice.split_whitespace().next_back().unwrap();
    assert!(
        advice.ends_with(&format!("steno fetch -f srt -o '{out}' {id}")),
        "{advice}"
    );
    service.start_worker();
    let (code, events, _) = service.cli(&["events", id]);
    assert_eq!(code, Some(0));
    assert!(
        events.ends_with("completed\n") && events.contains('→'),
        "{events}"
    );
    let (code, text, log) = service.cli(&["fetch", id]);
    assert_eq!(code, Some(0), "{log}");

    assert!(
        same_words(&text, &fs::read_to_string(fixture("clip.txt")).unwrap()),
        "{text}"
    );
}

#[test]
fn doctor_finds_nothing_wrong_where_nothing_is() {
    let service = Settings::with_workers(1).with_courier().start();
    let data = service.data();
    let (code, findings, log) = service.cli(&["doctor", "--data", data.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{findings}{log}");
    for subject in [
        "programs",
        "processor",
        "engine",
        "weights",
        "data",
        "server",
        "courier",
    ] {
        assert!(
            findings
                .lines()
                .any(|line| line.starts_with("ok") && line.contains(subject)),
            "{findings}"
        );
    }
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };

    let service = Settings::with_workers(0).start();
    let data = service.scratch().join("other");
    steno_store::Store::init(&data).unwrap();
    let mut api = std::process::Command::new(steno_e2e::binary_path("steno-api"))
        .env("STENO_DATA", &data)
        .env("STENO_BIND", "127.0.0.1:0")
        .env("STENO_LOG", "trace")
        .stdout(full())
        .stderr(full())
        .spawn()
        .unwrap();

    eventually("it sweeps, and keeps its ballast", || {
        assert_eq!(api.try_wait().unwrap(), None, "it has ended");
        data.join("run/ballast").exists().then_some(())
    });
    api.kill().unwrap();
    api.wait().unwrap();
    let environment = [("STENO_URL", format!("http://{}", service.address()))];
    let jobs = |stdout: fs::File| {
        let command = std::process::Command::new(steno_e2e::binary_path("steno"))
            .args(["jobs", "--status", "pending"])
            .envs(environment.clone())
            .stdout(stdout)
            .stderr(full())
            .status();
        command.unwrap().code()
    };

    assert_eq!(jobs(full()), Some(1));
}

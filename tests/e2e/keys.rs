//! API keys: no access without one, and each key reaches only its own jobs.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use steno_e2e::{Client, Service, Settings, eventually, fixture, foreign_client};
use steno_models::{JobId, JobList, ProblemCode};

/// A service with a file of keys for these names, and the keys.
pub(crate) fn service_for(
    workers: usize,
    names: &[&str],
) -> (Service, tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api-keys");
    let keys = names.iter().map(|name| add(&file, name)).collect();
    let service = Settings::with_workers(workers)
        .set("STENO_API_KEYS_FILE", file.to_str().unwrap())
        .start();
    (service, folder, keys)
}

pub(crate) fn add(file: &Path, name: &str) -> String {
    let output = Command::new(steno_e2e::binary_path("steno"))
        .args(["keys", "add", name, "--api-keys-file"])
        .arg(file)
        .output();
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(crate) fn jobs(client: &Client) -> usize {
    serde_json::from_slice::<JobList>(&client.get("/transcribe").body)
        .unwrap()
        .jobs
        .len()
}

#[test]
fn a_request_without_a_valid_key_is_refused() {
    let (service, _folder, keys) = service_for(0, &["alice"]);
    let clip = fixture("clip.opus");
    for client in [
        service.client.clone(),
        service.client.with_key("steno_wrong"),
    ] {
        for path in [
            "/transcribe",
            "/nothing",
            &format!("/transcribe/{}", JobId::random()),
        ] {
            let problem = client.get(path);
            assert_eq!(problem.header("www-authenticate"), Some("Bearer"));
            assert_eq!(
                (problem.status, problem.problem().code),
                (401, ProblemCode::Unauthorized),
                "{path}"
            );
        }
        assert_eq!(client.upload(&clip, "").status, 401);
        let refused =
            client.post_form("/v1/audio/transcriptions", &clip, &[("model", "whisper-1")]);
        assert_eq!(
            (refused.status, refused.json()["error"]["code"].as_str()),
            (401, Some("invalid_api_key"))
        );
        for path in ["/healthz", "/readyz", "/openapi.json", "/docs/"] {
            assert_eq!(client.get(path).status, 200, "{path}");
        }
    }

    assert_eq!(service.files(), Vec::<String>::new());

    assert_eq!(jobs(&service.client.with_key(&keys[0])), 0);
}

#[test]
fn keys_come_as_a_credential_of_the_service_manager() {
    let folder = tempfile::tempdir().unwrap();
    let key = add(&folder.path().join("steno.api-keys"), "alice");
    let service = Settings::with_workers(0)
        .set("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap())
        .start();
    assert_eq!(service.client.get("/transcribe").status, 401);
    assert_eq!(jobs(&service.client.with_key(&key)), 0);
    // With other credentials only, no key is required.
    let service = Settings::with_workers(0)
        .set("CREDENTIALS_DIRECTORY", "/")
        .start();
    assert_eq!(jobs(&service.client), 0);
}

#[test]
fn a_key_reaches_only_its_own_jobs() {
    let (service, _folder, keys) = service_for(1, &["alice", "bob"]);
    let [alice, bob] = [&keys[0], &keys[1]].map(|key| service.client.with_key(key));
    let clip = fixture("clip.opus");
    let job = alice.submit(&clip, "language=en");
    assert_eq!((jobs(&alice), jobs(&bob)), (1, 0));
    let path = format!("/transcribe/{job}");
    assert_eq!(bob.get(&path).status, 404);
    assert_eq!(bob.get(&format!("{path}/events")).status, 404);
    assert_eq!(bob.delete(&path).status, 404);
    alice.wait_for_text(job);
    let fields = [("model", "whisper-1"), ("language", "en")];
    let call = |client: &Client| client.post_form("/v1/audio/transcriptions", &clip, &fields);
    let (of_alice, of_bob) = (call(&alice), call(&bob));
    assert_eq!(of_alice.json(), of_bob.json());
    assert_ne!(
        of_alice.header("x-job-id"),
        of_bob.header("x-job-id"),
        "no key attaches to another key's job"
    );
    assert_eq!(alice.delete(&path).status, 204);
    assert_eq!((alice.get(&path).status, bob.get(&path).status), (410, 404));
}

#[test]
fn keys_that_are_added_at_once_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api-keys");
    let names: Vec<_> = (0..10).map(|number| format!("user{number}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| add(&file, name));
        }
    });
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        names
            .iter()
            .all(|name| text.contains(&format!("{name} sha256:"))),
        "{text}"
    );
}

#[test]
fn streams_of_one_key_leave_connections_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api-keys");
    let [alice, bob] = ["alice", "bob"].map(|name| add(&file, name));
    let settings = Settings::with_workers(0).set("STENO_API_KEYS_FILE", file.to_str().unwrap());
    let service = settings.set("STENO_MAX_CONNECTIONS", "20").start();
    let [alice, bob] = [alice, bob].map(|key| service.client.with_key(&key));
    let job = alice.submit(&fixture("clip.opus"), "");
    let path = format!("/transcribe/{job}/events");
    let mut streams: Vec<_> = (0..5).map(|_| alice.events(&path, None)).collect();
    let refused = eventually("the share of the key is taken", || {
        Some(alice.get("/transcribe")).filter(|answer| answer.status == 429)
    });
    assert_eq!(refused.problem().code, ProblemCode::RateLimited);
    assert!(refused.header("retry-after").is_some());
    for _ in 0..40 {
        assert_eq!(bob.get("/transcribe").status, 200);
    }
    let log = service.api.as_ref().unwrap().log();
    assert!(
        log.lines()
            .any(|line| line.contains("429") && line.contains("key.name=\"alice\"")),
        "{log}"
    );
    streams.pop();
    eventually("there is a place again", || {
        (alice.get("/transcribe").status == 200).then_some(())
    });
}

#[test]
fn a_flood_of_refused_calls_does_not_fill_the_log() {
    let service = Settings::with_workers(0)
        .set("STENO_SWEEP_INTERVAL", "1s")
        .start();
    for _ in 0..300 {
        assert_eq!(service.client.get("/nothing").status, 404);
    }
    let api = service.api.as_ref().unwrap();
    api.wait_for_log("more calls were refused with 404");
    assert!(
        api.log().matches("answered 404").count() < 50,
        "{}",
        api.log()
    );
}

#[test]
fn a_server_without_its_keys_shows_no_job_of_a_key() {
    let (mut service, _folder, keys) = service_for(0, &["alice"]);
    let alice = service.client.with_key(&keys[0]);
    let job = alice.submit(&fixture("clip.opus"), "");
    service
        .api
        .as_ref()
        .unwrap()
        .wait_for_log("API keys are asked for: 1 in ");
    service.api.take().unwrap().terminate();

    assert!(service.try_start_api(&[("STENO_API_KEYS_FILE", "")]));
    service
        .api
        .as_ref()
        .unwrap()
        .wait_for_log("API keys are off");
    let own = service.client.submit(&fixture("clip.flac"), "");
    let listed: JobList = serde_json::from_slice(&service.client.get("/transcribe").body).unwrap();
    assert_eq!(
        listed.jobs.iter().map(|job| job.job_id).collect::<Vec<_>>(),
        [own]
    );
    let path = format!("/transcribe/{job}");
    assert_eq!(service.client.get(&path).status, 404);
    assert_eq!(service.client.get(&format!("{path}/events")).status, 404);
    assert_eq!(service.client.delete(&path).status, 404);
}

#[test]
fn keys_are_read_again_when_asked_and_kept_when_the_file_is_wrong() {
    let (service, folder, keys) = service_for(0, &["alice"]);
    let file = folder.path().join("api-keys");
    let alice = service.client.with_key(&keys[0]);
    let carol = service.client.with_key(&add(&file, "carol"));
    assert_eq!(
        carol.get("/transcribe").status,
        401,
        "the file is not read at every call"
    );

    let api = service.api.as_ref().unwrap();
    api.signal(Signal::HUP);
    eventually("the new key is known", || {
        (carol.get("/transcribe").status == 200).then_some(())
    });
    std::fs::write(&file, "nonsense").unwrap();
    api.signal(Signal::HUP);
    api.wait_for_log("the API keys stay as they were");
    assert_eq!(alice.get("/transcribe").status, 200);
    let (code, _, error) = service.cli(&["jobs", "--api-key", &format!("{}\n", keys[0])]);
    assert_eq!(code, Some(0), "a line break is no part of a key: {error}");
    std::fs::write(&file, "# no keys\n").unwrap();
    api.signal(Signal::HUP);
    api.wait_for_log("every call is refused until you add one");
    eventually("no key is known", || {
        (alice.get("/transcribe").status == 401).then_some(())
    });
    let log = api.log();

    assert!(
        keys.iter().all(|key| !log.contains(key.as_str())),
        "keys are not logged"
    );
}

#[test]
fn openai_s_client_and_ours_send_their_key() {
    let (service, _folder, keys) = service_for(1, &["alice"]);
    let audio = fixture("clip.opus");
    let words = ["transcribe", audio.to_str().unwrap(), "--language", "en"];
    let (code, _, log) = service.cli(&words);
    assert!(code == Some(3) && log.contains("API key"), "{log}");
    let (code, text, log) = service.cli(&[&words[..], &["--api-key", &keys[0]]].concat());
    assert!(code == Some(0) && text.contains("weather"), "{log}");
    let Some(python) = foreign_client("python/bin/python") else {
        return;
    };
    let program = "import sys, openai
client = lambda key: openai.OpenAI(base_url=sys.argv[1], api_key=key, max_retries=0)
try: client('wrong').models.list(); sys.exit('not refused')
except openai.AuthenticationError as error: print(error.code)
print(client(sys.argv[2]).models.list().data[0].id)
";

    let output = Command::new(python)
        .args([
            "-c",
            program,
            &format!("http://{}/v1", service.address()),
            &keys[0],
        ])
        .env("NO_PROXY", "*")
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&output.stdout);

    assert_eq!(
        said,
        "invalid_api_key\nbase\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_key_has_the_limits_of_all_or_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api-keys");
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| add(&file, name));
    let own = [
        ("bob ", "max_jobs=3"),
        ("carol ", "requests_per_second=2 max_jobs=9"),
    ];
    let text = std::fs::read_to_string(&file).unwrap();
    let lines =
        text.lines().map(
            |line| match own.iter().find(|(name, _)| line.starts_with(name)) {
                Some((_, limits)) => format!("{line} {limits}\n"),
                None => format!("{line}\n"),
            },
        );
    std::fs::write(&file, lines.collect::<String>()).unwrap();
    let settings = Settings::with_workers(0).set("STENO_API_KEYS_FILE", file.to_str().unwrap());
    let service = settings
        .set("STENO_KEY_MAX_JOBS", "1")
        .set("STENO_KEY_MAX_BYTES", "100kB")
        .start();
    let [alice, bob, carol] = [alice, bob, carol].map(|key| service.client.with_key(&key));

    let clip = fixture("clip.opus");
    let named = [("content-type", "audio/ogg"), ("idempotency-key", "mine")];
    let recording = std::fs::read(&clip).unwrap();
    let job = alice
        .post_with("/transcribe", &named, &recording)
        .accepted()
        .unwrap();
    assert_eq!(
        alice
            .post_with("/transcribe", &named, &recording)
            .accepted(),
        Some(job),
        "what is there needs no room"
    );
    let refused = alice.upload(&clip, "");
    assert_eq!(
        (refused.status, refused.problem().code),
        (429, ProblemCode::QuotaExceeded)
    );
    assert!(refused.header("retry-after").is_some());
    let of_sdk = alice.post_form("/v1/audio/transcriptions", &clip, &[("model", "whisper-1")]);
    assert_eq!(
        (of_sdk.status, of_sdk.json()["error"]["code"].as_str()),
        (429, Some("quota_exceeded"))
    );
    alice.delete(&format!("/transcribe/{job}"));
    alice.submit(&clip, "");

    for _ in 0..3 {
        bob.submit(&clip, "");
    }
    assert_eq!(
        bob.upload(&clip, "").problem().code,
        ProblemCode::QuotaExceeded
    );
    let large = fixture("clip.wav");
    assert!(large.metadata().unwrap().len() > 100_000);
    let refused = carol.upload(&large, "");
    assert_eq!(
        (refused.status, refused.problem().code),
        (429, ProblemCode::QuotaExceeded)
    );
    assert_eq!(service.files().len(), 4, "what is refused leaves no file");

    let refused = eventually("calls one after the other are too many", || {
        Some(carol.get("/transcribe")).filter(|answer| answer.status == 429)
    });
    assert_eq!(refused.problem().code, ProblemCode::RateLimited);
    let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    assert_eq!(
        alice.get("/transcribe").status,
        200,
        "others are not concerned"
    );
    eventually("its time comes again", || {
        (carol.get("/transcribe").status == 200).then_some(())
    });
}

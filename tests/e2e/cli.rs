//! The command line against a running service, and the supervisor.

use std::fs;

use steno_e2e::{Client, Process, Settings, eventually, fixture, same_words};

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
    let (code, text, log) = service.cli(&["transcribe", audio.to_str().unwrap(), "--language", "en"]);
    assert_eq!(code, Some(0), "{log}");
    assert!(same_words(&text, &fs::read_to_string(fixture("clip.txt")).unwrap()), "{text}");
    let id = log.split(|c: char| !c.is_ascii_hexdigit() && c != '-').find(|word| word.len() == 36).unwrap();
    assert_eq!(service.client.get(&format!("/transcribe/{id}")).status, 410, "it was acknowledged");
    let (code, ..) = service.cli(&["status", id]);
    assert_ne!(code, Some(0));
    let (code, ..) = service.cli(&["transcribe", fixture("bad/text.txt").to_str().unwrap()]);
    assert_eq!(code, Some(1));
}

#[test]
fn up_restarts_a_child_that_dies_and_takes_its_children_with_it() {
    let mut service = Settings::with_workers(0).set("STENO_WORKERS", "1").start();
    assert!(service.api.take().unwrap().terminate().success());
    let log = service.scratch().join("up.log");
    let mut environment = service.environment().clone();
    assert!(Settings::with_workers(1).start().workers[0].log().contains("working with"), "the weights are there");
    environment.insert("STENO_SLOTS".to_owned(), "1".to_owned());
    let up = Process::start("steno", &["up"], &environment, &log);
    up.wait_for_log("working with");
    up.wait_for_log("listening on");
    let children = children_of(up.pid());
    assert_eq!(children.len(), 2, "{children:?}");
    let worker = children.iter().find(|pid| name_of(**pid).as_deref() == Some("steno-worker")).unwrap();
    let pid = rustix::process::Pid::from_raw(*worker as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    eventually("the worker is back", || (up.log().matches("working with").count() == 2).then_some(()));
    let client = Client::new(&format!("http://{}", environment["STENO_BIND"]));
    let job = client.submit(&fixture("clip.flac"), "language=en");
    client.wait_for_text(job);
    // Killed itself, it leaves nobody behind.
    let children = children_of(up.pid());
    assert_eq!(children.len(), 2);
    up.kill();
    eventually("its children are gone", || children.iter().all(|pid| name_of(*pid).is_none()).then_some(()));
}

fn children_of(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

/// The name of a process that runs; a zombie does not.
fn name_of(pid: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| Some(status.lines().find(|line| line.starts_with(name))?.split_once('\t')?.1.to_owned());
    field("State:").filter(|state| !state.starts_with('Z'))?;
    field("Name:")
}

//! The supervisor: `steno up` and its children.

use std::process::Command;

use steno_e2e::{Client, Process, Settings, children_of, eventually, fixture, name_of};

#[test]
fn up_restarts_a_child_that_dies_and_its_children_end_with_it() {
    assert!(
        Settings::with_workers(1).start().workers[0]
            .log()
            .contains("working with"),
        "the weights are there"
    );

    let mut service = Settings::with_workers(0).set("STENO_WORKERS", "1").start();
    assert!(service.api.take().unwrap().terminate().success());
    let log = service.scratch().join("up.log");
    let mut environment = service.environment().clone();
    environment.insert("STENO_SLOTS".to_owned(), "1".to_owned());
    let up = Process::start("steno", &["up"], &environment, &log);
    up.wait_for_log("working with");
    up.wait_for_log("listening on");
    let children = children_of(up.pid());
    up.wait_for_log("sending webhooks");
    assert_eq!(children.len(), 3, "{children:?}");
    let worker = children
        .iter()
        .find(|pid| name_of(**pid).as_deref() == Some("steno-worker"))
        .unwrap();
    let pid = rustix::process::Pid::from_raw(*worker as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    eventually("the worker is back", || {
        (up.log().matches("working with").count() == 2).then_some(())
    });
    let client = Client::new(&format!("http://{}", environment["STENO_BIND"]));
    let job = client.submit(&fixture("clip.flac"), "language=en");
    client.wait_for_text(job);
    // Its children end with it when it is killed.
    let children = children_of(up.pid());
    assert_eq!(children.len(), 3);
    up.kill();

    eventually("its children are gone", || {
        children
            .iter()
            .all(|pid| name_of(*pid).is_none())
            .then_some(())
    });
}

#[test]
fn up_passes_a_hang_up_on_and_ends_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api-keys");
    let add = |name: &str| {
        let mut command = Command::new(steno_e2e::binary_path("steno"));
        let output = command
            .args(["keys", "add", name, "--api-keys-file"])
            .arg(&file)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    add("alice");
    let service = Settings::with_workers(1)
        .set("STENO_API_KEYS_FILE", file.to_str().unwrap())
        .start_nothing();
    let mut up = Process::start(
        "steno",
        &["up"],
        service.environment(),
        &service.scratch().join("up.log"),
    );
    up.wait_for_log("working with");
    up.wait_for_log("sending webhooks");
    let line = up.wait_for_log("listening on http://");
    let children = children_of(up.pid());

    let bob = Client::new(&line[line.find("http://").unwrap()..]).with_key(&add("bob"));
    up.signal(rustix::process::Signal::HUP);
    eventually("the new key is known", || {
        (bob.get("/transcribe").status == 200).then_some(())
    });
    assert_eq!(children_of(up.pid()), children, "{}", up.log());
    assert!(!up.log().contains("starting it again"), "{}", up.log());
    assert!(up.terminate().success());
}

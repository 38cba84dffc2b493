//! Tests of the supervisor with real processes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::thread;

use signal_hook::consts::SIGCHLD;

use super::super::event;
use super::*;
use crate::failure::exit_code;

/// A folder in which shell scripts note what they do, and a supervisor over them.
struct Scene {
    folder: tempfile::TempDir,
    events: Receiver<Event>,
    sender: Sender<Event>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (sender, events) = mpsc::channel();
        let children = event::listen(&[SIGCHLD]).unwrap();
        let forward = sender.clone();
        thread::spawn(move || children.into_iter().try_for_each(|event| forward.send(event)));
        Self { folder, events, sender }
    }

    /// A script whose variable `here` is the folder.
    fn script(&self, script: &str) -> Program {
        let environment = vec![("here", self.folder.path().as_os_str().to_owned())];
        let arguments = vec!["-c".into(), script.into()];
        Program { name: "script".to_owned(), arguments, ..Program::new(PathBuf::from("/bin/sh"), environment) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends a wish to stop as soon as `path` has that many lines.
    fn stop_when(&self, path: PathBuf, lines: usize) {
        let sender = self.sender.clone();
        thread::spawn(move || {
            wait_for_lines(&path, lines);
            sender.send(Event::Stop)
        });
    }

    fn run(&self, script: &str, limits: &Limits) -> Result<()> {
        run(vec![self.script(script)], limits, &self.events)
    }
}

fn limits() -> Limits {
    Limits { first_pause: Duration::from_millis(1), longest_pause: Duration::from_millis(4), ..Limits::default() }
}

fn wait_for_lines(path: &Path, lines: usize) {
    let began = Instant::now();
    while fs::read_to_string(path).unwrap_or_default().lines().count() < lines {
        assert!(began.elapsed() < Duration::from_secs(20), "no {lines} lines in {}", path.display());
        thread::sleep(Duration::from_millis(5));
    }
}

const UNTIL_TERM: &str = "trap 'echo end >> $here/ends; exit 0' TERM; while :; do sleep 0.02; done";

#[test]
fn a_process_that_dies_is_started_again() {
    let scene = Scene::new();
    scene.stop_when(scene.path("starts"), 3);
    // The first two are killed, the third stays.
    let script = format!("echo x >> $here/starts; [ $(wc -l < $here/starts) -lt 3 ] && kill -9 $$; {UNTIL_TERM}");
    scene.run(&script, &limits()).unwrap();
    assert_eq!(fs::read_to_string(scene.path("starts")).unwrap().lines().count(), 3);
}

#[test]
fn every_process_is_asked_to_end_and_waited_for() {
    let scene = Scene::new();
    scene.stop_when(scene.path("ready"), 2);
    let script =
        "trap 'sleep 0.1; echo end >> $here/ends; exit 0' TERM; echo x >> $here/ready; while :; do sleep 0.02; done";
    run(vec![scene.script(script), scene.script(script)], &limits(), &scene.events).unwrap();
    assert_eq!(fs::read_to_string(scene.path("ends")).unwrap(), "end\nend\n");
}

#[test]
fn a_process_that_does_not_end_is_killed() {
    let scene = Scene::new();
    scene.stop_when(scene.path("ready"), 1);
    let stubborn = "trap '' TERM; echo $$ >> $here/ready; while :; do sleep 0.02; done";
    scene.run(stubborn, &Limits { stop: Duration::from_millis(100), ..limits() }).unwrap();
    let pid = fs::read_to_string(scene.path("ready")).unwrap();
    assert!(!Path::new(&format!("/proc/{}", pid.trim())).exists());
}

#[test]
fn a_second_wish_to_stop_ends_at_once() {
    let scene = Scene::new();
    scene.stop_when(scene.path("ready"), 1);
    scene.stop_when(scene.path("terms"), 1);
    let stubborn = "trap 'echo x >> $here/terms' TERM; echo x >> $here/ready; while :; do sleep 0.02; done";
    let error = scene.run(stubborn, &limits()).unwrap_err();
    assert!(error.to_string().contains("at once"), "{error}");
}

#[test]
fn settings_that_are_refused_end_everything() {
    for code in [2, 78] {
        let scene = Scene::new();
        let good = scene.script(&format!("echo x >> $here/ready; {UNTIL_TERM}"));
        let bad = scene.script(&format!("while [ ! -s $here/ready ]; do sleep 0.02; done; sleep 0.1; exit {code}"));
        let error = run(vec![good, bad], &limits(), &scene.events).unwrap_err();
        assert_eq!(exit_code(&error), 2, "{error}");
        assert_eq!(fs::read_to_string(scene.path("ends")).unwrap(), "end\n");
    }
}

#[test]
fn a_process_that_never_works_is_given_up() {
    let scene = Scene::new();
    let limits = Limits { give_up_after: Duration::from_millis(100), ..limits() };
    let error = scene.run("echo x >> $here/starts; exit 1", &limits).unwrap_err();
    assert!(error.to_string().contains("again and again"), "{error}");
    assert!(fs::read_to_string(scene.path("starts")).unwrap().lines().count() > 1);
}

#[test]
fn a_process_that_has_worked_is_started_again_whatever_its_exit_code() {
    let scene = Scene::new();
    scene.stop_when(scene.path("starts"), 4);
    let limits = Limits { stable_after: Duration::ZERO, give_up_after: Duration::ZERO, ..limits() };
    scene.run("echo x >> $here/starts; exit 78", &limits).unwrap();
}

#[test]
fn children_learn_who_supervises_them() {
    let scene = Scene::new();
    scene.stop_when(scene.path("parent"), 1);
    scene.run(&format!("echo $STENO_PARENT_PID >> $here/parent; {UNTIL_TERM}"), &limits()).unwrap();
    let parent = fs::read_to_string(scene.path("parent")).unwrap();
    assert_eq!(parent.trim(), std::process::id().to_string());
}

#[test]
fn an_executable_that_is_not_there_is_tried_again() {
    let scene = Scene::new();
    let executable = scene.path("later");
    let program = Program::new(executable.clone(), scene.script("").environment);
    scene.stop_when(scene.path("starts"), 1);
    let temporary = scene.path("temporary");
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        fs::write(&temporary, format!("#!/bin/sh\necho x >> $here/starts\n{UNTIL_TERM}\n")).unwrap();
        fs::set_permissions(&temporary, Permissions::from_mode(0o755)).unwrap();
        fs::rename(&temporary, &executable).unwrap();
    });
    run(vec![program], &limits(), &scene.events).unwrap();
}

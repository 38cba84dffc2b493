//! What operators do with `steno admin`, on a service that runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use steno_e2e::{Service, Settings, eventually, fixture};
use steno_models::Status;

/// Runs `steno admin` on a service's queue; yields whether it succeeded, and its output.
fn admin(service: &Service, arguments: &[&str]) -> (bool, String) {
    let (code, output, problem) = service.cli(&[&["admin"], arguments].concat());
    (code == Some(0), output + &problem)
}

#[test]
fn a_backup_taken_while_jobs_run_goes_on_from_there() {
    let mut service = Settings::with_workers(1).in_data_folder().start();
    let long = service.client.submit(&fixture("long.opus"), "language=en");
    let done = service.client.submit(&fixture("clip.opus"), "language=en");
    let text = service.client.wait_for_text(done);
    eventually("the long one has begun", || {
        (service.client.status(long).progress > 0.0).then_some(())
    });
    let pending = service
        .client
        .submit(&fixture("clip.wav"), "language=en&priority=-10");
    let backup = service.scratch().join("backup");
    let (made, said) = admin(&service, &["backup", backup.to_str().unwrap()]);
    assert!(made, "{said}");
    let expected = service.client.wait_for_text(long);

    // The machine is lost. What the backup has goes on under the same ids.
    service.workers.remove(0).kill();
    service.api.take().unwrap().kill();
    std::fs::remove_dir_all(service.data()).unwrap();
    std::fs::rename(&backup, service.data()).unwrap();
    service.start_api();
    service.start_worker();
    assert_eq!(service.client.wait_for_text(done), text);
    assert_eq!(service.client.wait_for_text(long), expected);
    service.client.wait_for_text(pending);
    assert_eq!(
        service.client.status(long).attempts,
        1,
        "a restore is no crash of its own"
    );
    assert_eq!(
        admin(&service, &["check"]),
        (true, "nothing is wrong\n".to_owned())
    );
}

#[test]
fn jobs_are_listed_checked_and_purged() {
    let service = Settings::with_workers(0).start();
    let jobs: Vec<_> = (0..3)
        .map(|_| {
            service
                .client
                .submit(&fixture("clip.opus"), "prompt=verysecret")
        })
        .collect();
    let (listed, list) = admin(&service, &["jobs", "--status", "pending"]);
    assert!(
        listed && jobs.iter().all(|job| list.contains(&job.to_string())),
        "{list}"
    );
    assert!(!list.contains("verysecret") && service.holds("verysecret"));
    let (_, json) = admin(&service, &["jobs", "--job", &jobs[1].to_string(), "--json"]);
    let job: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (job["status"].as_str(), job["tasks_waiting"].as_u64()),
        (Some("pending"), Some(1))
    );

    assert!(!admin(&service, &["purge"]).0, "it asks which");
    assert_eq!(
        admin(&service, &["purge", "--older-than", "1h"]).1,
        "0 jobs are deleted\n"
    );
    assert_eq!(
        admin(&service, &["purge", "--job", &jobs[0].to_string()]).1,
        "1 jobs are deleted\n"
    );
    assert_eq!(
        service
            .client
            .get(&format!("/transcribe/{}", jobs[0]))
            .status,
        410
    );
    assert_eq!(service.client.status(jobs[1]).status, Status::Pending);

    let (checked, said) = admin(&service, &["check"]);
    assert!(checked, "{said}");
    service.lose_recording(jobs[1]);
    let (checked, said) = admin(&service, &["check"]);
    assert!(
        !checked && said.contains(&jobs[1].to_string()) && said.contains("missing"),
        "{said}"
    );

    assert_eq!(
        admin(&service, &["purge", "--all"]).1,
        "2 jobs are deleted\n"
    );
    assert!(admin(&service, &["vacuum"]).0);
    assert!(!service.holds("verysecret"));
    assert!(
        !admin(&service, &["jobs", "--data", "/nowhere"]).0,
        "it makes no queue where there is none"
    );
}

#[test]
fn a_task_that_waits_can_be_hurried_and_an_ended_job_cannot() {
    let service = Settings::with_workers(0).start();
    let job = service.client.submit(&fixture("clip.opus"), "").to_string();
    assert_eq!(admin(&service, &["retry", &job]).1, "0 tasks are due now\n");
    assert!(!admin(&service, &["retry", &unknown_uuid()]).0);
    let mut service = service;
    service.start_worker();
    let bad = service.client.submit(&fixture("clip.txt"), "");
    service.client.wait(bad);
    let (retried, said) = admin(&service, &["retry", &bad.to_string()]);
    assert!(!retried && said.contains("submitted again"), "{said}");
}

fn unknown_uuid() -> String {
    steno_models::JobId::random().to_string()
}

#[test]
fn another_user_gets_advice_to_run_as_the_owner() {
    let service = Settings::with_workers(0).in_data_folder().start();
    let folder = service.scratch();
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    // The folder of the programs may be closed to other users.
    let program = folder.join("steno");
    fs::copy(steno_e2e::binary_path("steno"), &program).unwrap();
    let mut command = Command::new(&program);
    command
        .args(["admin", "jobs"])
        .env("STENO_DATA", service.data());
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    } else {
        fs::set_permissions(service.data(), Permissions::from_mode(0o000)).unwrap();
    }
    let output = command.output().unwrap();
    fs::set_permissions(service.data(), Permissions::from_mode(0o700)).unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("run the command as the user of the service"),
        "{said}"
    );
}

#[test]
fn admin_refuses_to_work_with_files_at_another_place() {
    let files = tempfile::tempdir().unwrap();
    let url = format!("file://{}", files.path().display());
    let service = Settings::with_workers(0)
        .set("STENO_STORAGE_URL", &url)
        .start();
    let job = service.client.submit(&fixture("clip.opus"), "");
    let backup = service.scratch().join("backup");

    let admin = |arguments: &[&str]| {
        let mut command = Command::new(steno_e2e::binary_path("steno"));
        command.arg("admin").args(arguments);
        let output = command.env("STENO_DATA", service.data()).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), said)
    };
    for arguments in [
        &["purge", "--all"][..],
        &["backup", backup.to_str().unwrap()],
        &["check"],
    ] {
        let (done, said) = admin(arguments);
        assert!(!done, "{arguments:?}: {said}");
        assert!(said.contains("STENO_STORAGE_URL"), "{said}");
    }
    assert!(!backup.exists());
    assert_eq!(service.client.status(job).status, Status::Pending);
    assert!(admin(&["jobs"]).1.contains(&job.to_string()));
}

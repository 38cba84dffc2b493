//! The courier works where the recordings of others are hidden from it, as under its unit, and with a key of the object storage that
//! can read none.

use std::process::Command;

use steno_e2e::{Service, Settings, eventually, fixture, skip};
use steno_models::{DeliveryStatus, Status};
use steno_testbed::S3;

use crate::by_url::{recording, submit};
use crate::origin::{Origin, Step, answer, head_of};
use crate::webhooks::{delivery, escaped};

/// The folders that the unit hides.
const HIDDEN: [&str; 3] = ["audio", "cache", "spool"];

/// Words that start a program in a mount namespace in which these folders are empty and read-only. `None`, with a message, where
/// namespaces are forbidden.
fn hiding(service: &Service) -> Option<Vec<String>> {
    let namespace = ["unshare", "--user", "--map-root-user", "--mount"];
    let tried = Command::new(namespace[0])
        .args(&namespace[1..])
        .arg("true")
        .output();
    if !tried.is_ok_and(|output| output.status.success()) {
        skip("mount namespaces are not allowed here (needs util-linux and user namespaces)");
        return None;
    }

    let hide = HIDDEN.map(|folder| {
        let path = service.data().join(folder);
        format!(
            "mount -t tmpfs -o ro,mode=000 none '{}' && ",
            path.display()
        )
    });
    let script = format!("{}exec \"$0\" \"$@\"", hide.concat());
    let words = namespace.into_iter().chain(["sh", "-c", &script]);
    Some(words.map(ToOwned::to_owned).collect())
}

fn settings(workers: usize) -> Settings {
    Settings::with_scripted_workers(workers)
        .in_data_folder()
        .set("STENO_OUTBOUND_ALLOW", "127.0.0.1")
        .set("STENO_SWEEP_INTERVAL", "1s")
}

#[test]
fn a_courier_fetches_and_reports_without_the_recordings_of_others() {
    let mut service = settings(1).start();
    let Some(prefix) = hiding(&service) else {
        return;
    };
    service.start_courier_through(&prefix);
    let origin = Origin::of(recording());
    let job = submit(&service, &origin.url("/talk.opus"));
    let text = service.client.wait_for_text(job);

    let hook = escaped(&origin.url("/hook"));
    let query = format!("language=en&callback_url={hook}");
    let uploaded = service.client.submit(&fixture("clip.opus"), &query);
    assert_eq!(service.client.wait_for_text(uploaded), text);
    delivery(&service, uploaded, DeliveryStatus::Delivered);

    // The courier can delete a download that fails.
    let broken = Origin::start(|_| answer("200 OK", b"<!doctype html>"));
    let failed = submit(&service, &broken.url("/"));
    assert_eq!(service.client.wait(failed).status, Status::Failed);
    eventually("nothing of these recordings is left", || {
        service.files().is_empty().then_some(())
    });
    let log = service.couriers[0].log();
    assert!(!log.contains("left for the sweep"), "{log}");
}

#[test]
fn the_api_deletes_what_a_courier_has_fetched() {
    let mut service = settings(0).start();
    let Some(prefix) = hiding(&service) else {
        return;
    };
    service.start_courier_through(&prefix);
    let fetched = submit(&service, &Origin::of(recording()).url("/"));
    eventually("the recording is here", || {
        service.client.status(fetched).fetch.is_none().then_some(())
    });
    let hanging = Origin::start(|_| vec![Step::Send(head_of("200 OK", 100)), Step::Hang]);
    let unfinished = submit(&service, &hanging.url("/"));
    let uploaded = service.client.submit(&fixture("clip.opus"), "language=en");
    eventually("both downloads and the upload are on disk", || {
        (service.files().len() == 3).then_some(())
    });

    for job in [fetched, unfinished, uploaded] {
        let answer = service.client.delete(&format!("/transcribe/{job}"));
        assert_eq!(answer.status, 204);
    }
    eventually("all three are gone", || {
        service.files().is_empty().then_some(())
    });
}

#[test]
fn a_courier_stores_in_a_bucket_with_a_key_that_reads_no_recording() {
    let server = S3::start();
    let bucket = server.create_bucket();
    let mut settings = settings(1).set("STENO_STORAGE_URL", &format!("s3://{bucket}/steno"));
    for (name, value) in server.environment() {
        settings = settings.set(name, &value);
    }
    let mut service = settings.start();
    service.start_courier_with(&[("AWS_ACCESS_KEY_ID", S3::COURIER_ACCESS_KEY)]);

    let job = submit(&service, &Origin::of(recording()).url("/talk.opus"));
    assert!(!service.client.wait_for_text(job).is_empty());
    // Two parts and the beginning of a third: the download that is deleted has begun a multipart upload.
    let large = Origin::start(|_| {
        let head = head_of("200 OK", 100 << 20);
        vec![Step::Send(head), Step::Send(vec![1; 20 << 20]), Step::Hang]
    });
    let unfinished = submit(&service, &large.url("/"));
    eventually("two parts are sent", || {
        let fetch = service.client.status(unfinished).fetch?;
        (fetch.bytes >= 16 << 20).then_some(())
    });
    service.client.delete(&format!("/transcribe/{unfinished}"));

    eventually("only the mark of the queue is left", || {
        (server.keys(&bucket) == ["steno/queue"]).then_some(())
    });
    eventually("no file is left on this machine", || {
        service.files().is_empty().then_some(())
    });
    let log = service.couriers[0].log();
    assert!(!log.contains("AccessDenied"), "{log}");
}

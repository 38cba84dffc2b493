//! Weights by request: all installed weights can be requested, and missing ones are refused at once.

use std::fs;

use steno_e2e::{Settings, eventually, fixture, same_words};
use steno_models::{FailureCode, ProblemCode, Status};
use steno_weights::Cache;

#[test]
fn a_job_is_done_with_the_weights_it_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let installed = Cache::from_env().unwrap();
    let cache = Cache::new(folder.path());
    let import = |name| {
        steno_weights::import(&cache, name, &installed.path("base").unwrap(), &mut |_| ()).map(drop)
    };
    import("base").unwrap();
    let service = Settings::with_workers(1)
        .set("STENO_WEIGHTS_DIR", folder.path().to_str().unwrap())
        .set("STENO_LEASE", "15s")
        .start();
    let refused = service
        .client
        .upload(&fixture("clip.opus"), "model=mine")
        .problem();
    assert_eq!(
        (refused.status, refused.code),
        (422, ProblemCode::ModelUnavailable)
    );
    assert!(
        refused.detail.contains("base"),
        "it says what there is: {}",
        refused.detail
    );

    assert_eq!(service.files(), Vec::<String>::new());
    // Installed while the worker runs.
    import("mine").unwrap();
    let models = || service.client.get("/v1/models").json();
    eventually("the weights are announced", || {
        models().to_string().contains("mine").then_some(())
    });
    let job = service.client.submit(
        &fixture("clip.opus"),
        "model=mine&language=en&word_timestamps=true",
    );
    let ended = service.client.wait(job);
    let result = ended.result.unwrap();
    assert_eq!(result.model, "mine");
    assert!(
        same_words(
            &result.text,
            &fs::read_to_string(fixture("clip.txt")).unwrap()
        ),
        "{}",
        result.text
    );

    assert!(
        result
            .segments
            .iter()
            .all(|segment| segment.words.is_some()),
        "unknown weights are aligned as well"
    );
}

#[test]
fn weights_that_vanish_before_their_job_fail_it_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let installed = Cache::from_env().unwrap();
    let cache = Cache::new(folder.path());
    for name in ["base", "mine"] {
        steno_weights::import(&cache, name, &installed.path("base").unwrap(), &mut |_| ()).unwrap();
    }
    let mut service = Settings::with_workers(1)
        .set("STENO_WEIGHTS_DIR", folder.path().to_str().unwrap())
        .start();
    assert!(service.workers[0].terminate().success());
    let lost = service
        .client
        .submit(&fixture("clip.opus"), "model=mine&language=en");
    let kept = service.client.submit(&fixture("clip.opus"), "language=en");
    fs::remove_file(cache.path("mine").unwrap()).unwrap();
    service.start_worker();
    let error = service.client.wait(lost).error.unwrap();
    assert_eq!(error.code, FailureCode::ModelUnavailable);
    assert_eq!(service.client.wait(kept).status, Status::Completed);
}

#[test]
fn weights_that_one_worker_lacks_are_tried_on_another() {
    let [both, one] = [(), ()].map(|()| tempfile::tempdir().unwrap());
    let installed = Cache::from_env().unwrap();
    for (folder, name) in [(&both, "base"), (&both, "mine"), (&one, "base")] {
        let cache = Cache::new(folder.path());
        steno_weights::import(&cache, name, &installed.path("base").unwrap(), &mut |_| ()).unwrap();
    }
    let mut service = Settings::with_workers(1)
        .set("STENO_WEIGHTS_DIR", both.path().to_str().unwrap())
        .start();
    assert!(service.workers.remove(0).terminate().success());
    let job = service
        .client
        .submit(&fixture("clip.opus"), "model=mine&language=en");
    let one = one.path().to_str().unwrap();
    assert!(service.try_start_worker(&[("STENO_WEIGHTS_DIR", one)]));
    service.workers[0].wait_for_log("cannot be used");
    assert!(service.workers.remove(0).terminate().success());

    service.start_worker();
    let status = service.client.wait(job);
    assert_eq!(status.status, Status::Completed, "{:?}", status.error);
}

#[test]
fn weights_that_others_need_room_for_are_dropped_and_too_large_ones_are_not_offered() {
    let folder = tempfile::tempdir().unwrap();
    let installed = Cache::from_env().unwrap();
    let cache = Cache::new(folder.path());
    for name in ["base", "mine"] {
        steno_weights::import(&cache, name, &installed.path("base").unwrap(), &mut |_| ()).unwrap();
    }
    let settings = |budget| {
        Settings::with_workers(1)
            .set("STENO_WEIGHTS_DIR", folder.path().to_str().unwrap())
            .set("STENO_MODEL_MEMORY_BYTES", budget)
    };

    // Room for the default and one more.
    let service = settings("200MB").start();
    for query in ["model=mine", "word_timestamps=true", "model=mine", ""] {
        let job = service
            .client
            .submit(&fixture("clip.opus"), &format!("language=en&{query}"));
        assert_eq!(
            service.client.wait(job).status,
            Status::Completed,
            "{query}"
        );
    }

    let log = service.workers[0].log();
    let dropped = |name: &str| {
        log.matches(&format!("dropping the weights {name} "))
            .count()
    };
    assert_eq!(
        (dropped("mine"), dropped("base")),
        (1, 1),
        "the copy for word times goes, the default stays\n{log}"
    );

    let service = settings("100MB").start();
    let refused = service
        .client
        .upload(&fixture("clip.opus"), "model=mine")
        .problem();
    assert_eq!(refused.code, ProblemCode::ModelUnavailable);
    let job = service.client.submit(&fixture("clip.opus"), "language=en");

    assert_eq!(
        service.client.wait(job).status,
        Status::Completed,
        "the default is always there"
    );
}

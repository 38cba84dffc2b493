//! A worker on a GPU, through Vulkan on lavapipe, Mesa's software device. Run by `make test-vulkan`, which builds that worker; not part of
//! `make test`, because building whisper.cpp for Vulkan takes minutes.
#![expect(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::fs;

use steno_e2e::{Process, Service, Settings, fixture, word_error_rate};
use steno_models::JobResult;

/// The worker that scripts/test-vulkan.sh builds, from the folder `target`.
const WORKER: &str = "vulkan/debug/steno-worker";
/// Exit code of a process that starts only after a person has changed something.
const EXIT_CONFIG: i32 = 78;

/// Settings under which ggml uses the software device.
fn on_lavapipe() -> Settings {
    Settings::with_workers(1)
        .worker_program(WORKER)
        .set("GGML_VK_VISIBLE_DEVICES", "0")
        .set("STENO_DEVICE", "gpu")
}

/// The log and exit code of a worker that does not start.
fn refusal(service: &mut Service, extra: &[(&str, &str)]) -> (String, Option<i32>) {
    let mut worker: Process = service.start_process_with(WORKER, extra);
    let code = worker.wait().code();
    (worker.log(), code)
}

fn assert_is_sample(result: &JobResult) {
    let reference = fs::read_to_string(fixture("sample.txt")).unwrap();
    let errors = word_error_rate(&reference, &result.text);
    assert!(errors < 0.1, "{errors}: {}", result.text);
}

#[test]
fn a_worker_on_a_gpu_transcribes_with_one_slot_and_with_word_times() {
    let service = on_lavapipe().unset("STENO_SLOTS").start();
    let log = service.workers[0].log();
    for line in ["the engine computes on gpu:0 (llvmpipe", "with 1 slots"] {
        assert!(log.contains(line), "no `{line}` in {log}");
    }
    let ready = service.client.get("/readyz").text();
    assert!(ready.contains("on gpu:0 (llvmpipe"), "{ready}");
    let (_, doctor, _) = service.cli(&["doctor"]);
    assert!(doctor.contains("on gpu:0 (llvmpipe"), "{doctor}");

    let run = |options: &str| {
        let job = service.client.submit(&fixture("sample.flac"), options);
        service.client.wait(job).result.unwrap()
    };
    assert_is_sample(&run("language=en"));

    // The times of words need attention that flash attention does not compute.
    let with_words = run("language=en&word_timestamps=true");
    assert_is_sample(&with_words);
    let words = with_words.segments.iter().flat_map(|segment| {
        let words = segment.words.as_ref().unwrap();
        words
            .iter()
            .filter(|word| word.start >= segment.start && word.end <= segment.end)
    });
    let spoken = with_words.text.split_whitespace().count();
    assert_eq!(words.count(), spoken, "{:?}", with_words.segments);
}

#[test]
fn a_gpu_that_is_not_there_ends_the_start_with_what_to_do() {
    let mut service = on_lavapipe().start_nothing();

    let (log, code) = refusal(&mut service, &[("STENO_DEVICE", "gpu:7")]);
    assert_eq!(code, Some(EXIT_CONFIG), "{log}");
    assert!(
        log.contains("gpu:7 is not one of the 1 GPUs found: gpu:0 llvmpipe"),
        "{log}"
    );

    // Without a driver, and with none that the variable selects.
    for variable in ["VK_ICD_FILENAMES", "GGML_VK_VISIBLE_DEVICES"] {
        let (log, code) = refusal(&mut service, &[(variable, "")]);
        assert_eq!(code, Some(EXIT_CONFIG), "{variable}: {log}");
        for part in ["none is found", "vulkaninfo --summary", "STENO_DEVICE=cpu"] {
            assert!(log.contains(part), "{variable}: no `{part}` in {log}");
        }
    }

    let (log, code) = refusal(&mut service, &[("STENO_ENGINE", "native")]);
    assert_eq!(code, Some(EXIT_CONFIG), "{log}");
    assert!(log.contains("set STENO_DEVICE=cpu"), "{log}");
}

#[test]
fn auto_takes_the_processor_where_no_gpu_is_found_and_says_so() {
    let mut service = Settings::with_workers(1)
        .worker_program(WORKER)
        .start_nothing();
    let extra = [("VK_ICD_FILENAMES", "")];
    assert!(service.try_start_worker(&extra));
    let log = service.workers[0].log();
    assert!(
        log.contains("the engine computes on the processor"),
        "{log}"
    );
    assert!(log.contains("is built for a GPU and finds none"), "{log}");
}

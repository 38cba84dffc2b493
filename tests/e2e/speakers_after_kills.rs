//! Speakers when workers die: a kill in the middle of a diarized job changes no label, and never costs the text.

use std::fs;
use std::path::{Path, PathBuf};

use steno_e2e::{Service, fixture, repeated};
use steno_models::{JobId, JobResult, WarningCode};
use steno_worker::Control;
use steno_worker::audio::{Limits, TrackChoice, prepare};

use crate::asr::metric;
use crate::speakers::service_with_speakers;

/// The task that labels the speakers, as it is logged.
const LABELS: &str = "speakers";
/// The task that finds the voices in the second block of a recording.
const SECOND_BLOCK: &str = "voices 1";

/// Submits a job and kills its worker `kills` times during `task`. Submits another job if the task ended before a kill. Returns the
/// last job and its result.
fn result_after_kills(
    service: &mut Service,
    submit: impl Fn(&Service) -> JobId,
    task: &str,
    kills: usize,
) -> (JobId, JobResult) {
    for _ in 0..5 {
        let job = submit(service);
        if (0..kills).all(|_| kill_worker_during(service, job, task)) {
            return (job, service.client.wait(job).result.unwrap());
        }
    }
    panic!("in five jobs, `{task}` ended before the worker was killed");
}

/// Kills the worker when it has claimed a task, and starts another one. Returns false if the task ended first.
fn kill_worker_during(service: &mut Service, job: JobId, task: &str) -> bool {
    service.workers[0].wait_for_log(&format!("claimed {task} of job {job}"));
    let log = service.workers.remove(0).kill();
    service.start_worker();
    !log.contains(&format!("ended {task} of job {job}"))
}

struct NeverStop;

impl Control for NeverStop {
    fn should_stop(&self) -> bool {
        false
    }
}

/// The samples of a fixture: 16 kHz, 16 bits.
fn samples(name: &str, folder: &Path) -> Vec<u8> {
    let spool = folder.join("samples.pcm");
    fs::write(&spool, []).unwrap();
    let track = TrackChoice::Automatic { skipped: 0 };
    let limits = Limits::default();
    prepare(&fixture(name), &spool, &limits, track, &NeverStop).unwrap();
    fs::read(&spool).unwrap()
}

/// Silence of 10 min, so that a recording with it has two blocks.
fn long_silence() -> Vec<u8> {
    vec![0; 600 * 16_000 * 2]
}

fn wav(parts: &[&[u8]], folder: &Path) -> PathBuf {
    let samples = parts.concat();
    let size = samples.len() as u32;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + size).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data");
    wav.extend(size.to_le_bytes());
    wav.extend(samples);
    let path = folder.join("two-blocks.wav");
    fs::write(&path, wav).unwrap();
    path
}

/// The segments with their speakers and times.
fn labels(result: &JobResult) -> Vec<(Option<&str>, &str, String)> {
    let segments = result.segments.iter();
    segments
        .map(|segment| {
            let times = format!("{:.2} {:.2}", segment.start, segment.end);
            (segment.speaker.as_deref(), segment.text.as_str(), times)
        })
        .collect()
}

#[test]
fn a_worker_that_is_killed_while_it_labels_speakers_changes_no_label_and_costs_no_text() {
    let Some(mut service) = service_with_speakers() else {
        return;
    };
    let recording = repeated("dialogue.opus", 3, &service.scratch());
    let submit = |service: &Service| {
        let options = "language=en&diarize=true";
        service.client.submit(&recording, options)
    };

    let (_, expected) = result_after_kills(&mut service, submit, LABELS, 0);
    assert!(expected.warnings.is_empty(), "{:?}", expected.warnings);

    // The third attempt is the last one.
    let (_, labelled) = result_after_kills(&mut service, submit, LABELS, 2);
    assert_eq!(labels(&labelled), labels(&expected));
    assert_eq!(labelled.speakers, expected.speakers);
    assert!(labelled.warnings.is_empty(), "{:?}", labelled.warnings);

    let (_, given_up) = result_after_kills(&mut service, submit, LABELS, 3);
    assert_eq!(given_up.text, expected.text);
    assert!(given_up.speakers.is_empty());
    let codes: Vec<&str> = given_up.warnings.iter().map(|w| w.code.as_str()).collect();
    assert_eq!(codes, [WarningCode::DiarizationFailed.as_str()]);
}

#[test]
fn a_worker_that_is_killed_in_a_short_recording_changes_no_label() {
    let Some(mut service) = service_with_speakers() else {
        return;
    };
    let submit = |service: &Service| {
        let options = "language=en&diarize=true";
        service.client.submit(&fixture("call.opus"), options)
    };
    let (_, expected) = result_after_kills(&mut service, submit, LABELS, 0);

    let job = submit(&service);
    service.workers[0].wait_for_log(&format!("claimed preparation of job {job}"));
    service.workers.remove(0).kill();
    service.start_worker();
    let status = service.client.wait(job);
    assert_eq!(status.attempts, 2, "the kill came before the end");
    assert_eq!(labels(&status.result.unwrap()), labels(&expected));
}

#[test]
fn a_worker_that_is_killed_in_a_block_repeats_that_block_alone() {
    let Some(mut service) = service_with_speakers() else {
        return;
    };
    let folder = service.scratch();
    let conversation = samples("dialogue.opus", &folder);
    let recording = wav(&[&conversation, &long_silence(), &conversation], &folder);
    let submit = |service: &Service| {
        let options = "language=en&diarize=true";
        service.client.submit(&recording, options)
    };
    let (_, expected) = result_after_kills(&mut service, submit, SECOND_BLOCK, 0);
    assert_eq!(expected.speakers.len(), 2);
    assert!(expected.warnings.is_empty(), "{:?}", expected.warnings);
    // The task that labels the speakers takes the voices that were found. To find them again would take as long as before.
    let series = |kind| format!("steno_task_seconds_total{{kind=\"{kind}\"}}");
    let finding = metric(&service, &series("voices"));
    let labelling = metric(&service, &series("diarize"));
    assert!(
        labelling > 0.0 && labelling < finding / 2.0,
        "{labelling} s after {finding} s"
    );

    let (job, labelled) = result_after_kills(&mut service, submit, SECOND_BLOCK, 1);
    assert_eq!(labels(&labelled), labels(&expected));
    assert_eq!(labelled.speakers, expected.speakers);
    let log = service.workers[0].log();
    let has_claimed = |task: &str| log.contains(&format!("claimed {task} of job {job}"));
    assert!(has_claimed(SECOND_BLOCK) && has_claimed(LABELS), "{log}");
    assert!(!has_claimed("voices 0"), "{log}");

    let (_, given_up) = result_after_kills(&mut service, submit, SECOND_BLOCK, 3);
    assert_eq!(given_up.text, expected.text);
    assert!(given_up.speakers.is_empty());
    let codes: Vec<&str> = given_up.warnings.iter().map(|w| w.code.as_str()).collect();
    assert_eq!(codes, [WarningCode::DiarizationFailed.as_str()]);
}

#[test]
fn the_voices_of_a_long_recording_are_found_in_tasks_even_if_it_has_one_sentence() {
    let Some(service) = service_with_speakers() else {
        return;
    };
    let folder = service.scratch();
    let recording = wav(&[&samples("clip.wav", &folder), &long_silence()], &folder);
    let job = service
        .client
        .submit(&recording, "language=en&diarize=true");

    let result = service.client.wait(job).result.unwrap();
    assert_eq!(result.speakers.len(), 1);
    let log = service.workers[0].log();
    for task in ["voices 0", SECOND_BLOCK, LABELS] {
        assert!(
            log.contains(&format!("claimed {task} of job {job}")),
            "{log}"
        );
    }
}

//! A fault in a decoder process costs its own job a try. The worker and its other jobs are unaffected.

use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};
use steno_e2e::{Service, Settings, eventually, fixture, repeated};
use steno_models::{JobId, Status};

use crate::bed::report;
use crate::shim;

/// The decoder process of a job, if any.
fn decoders_of(job: JobId) -> Vec<Pid> {
    let is_decoder =
        |arguments: &str| arguments.contains("--decode") && arguments.contains(&job.to_string());
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let entry = entry.unwrap();
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        // It can exit during this check.
        let arguments = fs::read(entry.path().join("cmdline")).ok()?;
        is_decoder(&String::from_utf8_lossy(&arguments)).then_some(pid)
    });
    processes.collect()
}

/// The decoder process of the job's next attempt.
fn next_decoder(job: JobId, earlier: &[Pid]) -> Pid {
    // A process that ends before it has this name has not started decoding, which costs no try.
    let has_begun = |pid: &Pid| {
        let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero()));
        name.is_ok_and(|name| name.trim_end() == "steno-decode")
    };
    eventually("the recording is decoded", || {
        decoders_of(job)
            .into_iter()
            .find(|pid| !earlier.contains(pid) && has_begun(pid))
    })
}

/// A worker with two slots, a recording that takes seconds to decode, and a second job.
struct Scene {
    service: Service,
    worker: u32,
    job: JobId,
    neighbour: JobId,
}

impl Scene {
    fn begin(settings: Settings, recording: impl Fn(&Service) -> PathBuf) -> Self {
        let service = settings.set("STENO_SLOTS", "2").start();
        let worker = service.workers[0].pid();
        let neighbour = service
            .client
            .submit(&fixture("clip.opus"), "language=en&prompt=wait:5000");
        let job = service.client.submit(&recording(&service), "language=en");
        Self {
            service,
            worker,
            job,
            neighbour,
        }
    }

    /// The first decoder after it entered its sandbox and wrote samples.
    fn decoder_at_work(&self) -> Pid {
        let decoder = next_decoder(self.job, &[]);
        eventually("it is at work", || {
            let spools = fs::read_dir(self.service.data().join("spool"))
                .unwrap()
                .flatten();
            let of_job = spools.filter(|spool| {
                spool
                    .file_name()
                    .to_string_lossy()
                    .contains(&self.job.to_string())
            });
            of_job
                .map(|spool| spool.metadata())
                .any(|file| file.is_ok_and(|file| file.len() > 0))
                .then_some(())
        });
        decoder
    }

    /// Checks that the other job is completed at its first attempt by the same process, and that nothing is left.
    fn end(mut self) {
        self.service.client.wait_for_text(self.neighbour);
        assert_eq!(self.service.client.status(self.neighbour).attempts, 1);
        assert!(!self.service.workers[0].has_ended());
        assert_eq!(self.service.workers[0].pid(), self.worker);
        for job in [self.job, self.neighbour] {
            assert_eq!(
                self.service
                    .client
                    .delete(&format!("/transcribe/{job}"))
                    .status,
                204
            );
        }
        eventually("no file is left", || {
            self.service.files().is_empty().then_some(())
        });
    }
}

/// A quarter of an hour of speech, which takes some seconds to decode.
fn long_recording(service: &Service) -> PathBuf {
    repeated("long.opus", 12, &service.scratch())
}

#[test]
fn a_decoder_that_dies_costs_only_its_own_job_a_try() {
    let scene = Scene::begin(
        Settings::with_scripted_workers(1).in_data_folder(),
        long_recording,
    );
    let mut killed = Vec::new();
    for signal in [Signal::ABORT, Signal::KILL, Signal::ILL] {
        let decoder = next_decoder(scene.job, &killed);
        kill_process(decoder, signal).unwrap();
        killed.push(decoder);
    }
    let ended = scene.service.client.wait(scene.job);
    assert_eq!((ended.status, ended.attempts), (Status::Failed, 3));
    assert_eq!(ended.error.unwrap().code.as_str(), "worker_crashed");
    scene.service.workers[0].wait_for_log("SIGABRT");
    scene.end();
    report(
        "decoders killed",
        "3, the job failed, the worker and its other job did not notice",
    );
}

#[test]
fn a_decoder_that_hangs_is_killed_and_retried() {
    let settings = Settings::with_scripted_workers(1)
        .in_data_folder()
        .set("STENO_STALL_TIMEOUT", "20s");
    let scene = Scene::begin(settings, long_recording);
    let decoder = next_decoder(scene.job, &[]);
    kill_process(decoder, Signal::STOP).unwrap();
    eventually("the next attempt", || {
        decoders_of(scene.job)
            .into_iter()
            .find(|pid| *pid != decoder)
    });
    assert!(
        !decoders_of(scene.job).contains(&decoder),
        "it is still there"
    );
    scene.service.client.wait_for_text(scene.job);
    assert_eq!(scene.service.client.status(scene.job).attempts, 2);
    scene.end();
    report(
        "decoders frozen",
        "1, tried again, the worker and its other job did not notice",
    );
}

/// Ten minutes of speech in a format that only ffmpeg reads.
fn recording_for_ffmpeg(service: &Service) -> PathBuf {
    let path = service.scratch().join("long.ts");
    let clip = fs::read(fixture("ffmpeg/clip.ts")).unwrap();
    fs::write(&path, clip.repeat(60)).unwrap();
    path
}

/// The ffmpeg of the job's next attempt.
fn next_ffmpeg(job: JobId, earlier: &[Pid]) -> Pid {
    let reads_it = |pid: &Pid| {
        let of = |name: &str| {
            let path = format!("/proc/{}/{name}", pid.as_raw_nonzero());
            fs::read_to_string(path).unwrap_or_default()
        };
        of("comm") == "ffmpeg\n" && of("cmdline").contains(&job.to_string())
    };
    eventually("ffmpeg reads the recording", || {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
            .find(|pid| !earlier.contains(pid) && reads_it(pid))
    })
}

#[test]
fn an_ffmpeg_that_is_killed_costs_its_own_job_a_try_and_leaves_no_half_result() {
    let scene = Scene::begin(
        Settings::with_scripted_workers(1).in_data_folder(),
        recording_for_ffmpeg,
    );
    let mut killed = Vec::new();
    for _ in 0..3 {
        let ffmpeg = next_ffmpeg(scene.job, &killed);
        kill_process(ffmpeg, Signal::KILL).unwrap();
        killed.push(ffmpeg);
    }
    let ended = scene.service.client.wait(scene.job);
    assert_eq!((ended.status, ended.attempts), (Status::Failed, 3));
    assert_eq!(ended.error.unwrap().code.as_str(), "worker_crashed");
    scene.end();
}

#[test]
fn an_ffmpeg_that_hangs_is_killed_and_retried() {
    let settings = Settings::with_scripted_workers(1)
        .in_data_folder()
        .set("STENO_STALL_TIMEOUT", "20s");
    let scene = Scene::begin(settings, recording_for_ffmpeg);
    let ffmpeg = next_ffmpeg(scene.job, &[]);
    kill_process(ffmpeg, Signal::STOP).unwrap();
    next_ffmpeg(scene.job, &[ffmpeg]);
    let path = format!("/proc/{}", ffmpeg.as_raw_nonzero());
    assert!(!fs::exists(path).unwrap(), "it is still there");
    scene.service.client.wait_for_text(scene.job);
    assert_eq!(scene.service.client.status(scene.job).attempts, 2);
    scene.end();
}

#[test]
fn a_decoder_over_its_memory_limit_fails_alone() {
    // Pictures are read into memory whole: 60 MB are allowed by default and do not fit here. The limit counts the address space,
    // in which a development build of the program alone takes more than 48 MiB.
    let settings = Settings::with_scripted_workers(1)
        .in_data_folder()
        .set("STENO_DECODE_MEMORY_BYTES", "96MiB")
        .set("STENO_FFMPEG", "off");
    let scene = Scene::begin(settings, |service| {
        let path = service.scratch().join("greedy.flac");
        fs::write(&path, flac_with_pictures(4, 15_000_000)).unwrap();
        path
    });
    let ended = scene.service.client.wait(scene.job);
    // The result depends on which allocation fails: some end the process, others return an error.
    let code = ended.error.unwrap().code.as_str();
    assert!(
        ["worker_crashed", "corrupt_audio"].contains(&code),
        "{code}"
    );
    scene.end();
}

/// The clip with `count` pictures of that many bytes.
fn flac_with_pictures(count: usize, bytes: u32) -> Vec<u8> {
    // The marker, and the stream information block.
    const BEGINNING: usize = 4 + 4 + 34;
    const PICTURE: u8 = 6;
    let clip = fs::read(fixture("clip.flac")).unwrap();

    let number = u32::to_be_bytes;
    let kind = b"image/png";
    let mut picture = [&number(3)[..], &number(kind.len() as u32), kind, &number(0)].concat();
    picture.extend([number(1), number(1), number(8), number(0), number(bytes)].concat());
    picture.resize(picture.len() + bytes as usize, b'a');

    let length = number(picture.len() as u32);
    let block = [&[PICTURE, length[1], length[2], length[3]][..], &picture].concat();
    [&clip[..BEGINNING], &block.repeat(count), &clip[BEGINNING..]].concat()
}

/// A job whose decoders are compromised.
fn begin_hostile(how: &str) -> (Service, JobId) {
    let mut service = Settings::with_scripted_workers(0)
        .in_data_folder()
        .set("STENO_STALL_TIMEOUT", "20s")
        .start();
    assert!(service.try_start_worker(&shim::borrowed(&shim::decoder_environment(how))));
    let job = service.client.submit(&fixture("clip.opus"), "language=en");
    (service, job)
}

fn check_hostile(how: &str, log: &str) {
    let (mut service, job) = begin_hostile(how);
    let ended = service.client.wait(job);
    assert_eq!((ended.status, ended.attempts), (Status::Failed, 3));
    assert_eq!(ended.error.unwrap().code.as_str(), "worker_crashed");
    assert!(
        !service.workers[0].has_ended(),
        "{}",
        service.workers[0].log()
    );
    service.workers[0].wait_for_log(log);
    assert_eq!(decoders_of(job), []);
}

#[test]
fn a_decoder_that_closes_its_pipe_and_stays_is_killed() {
    check_hostile("leave", "ended without an answer");
}

#[test]
fn endless_output_of_a_decoder_is_not_progress() {
    let (mut service, job) = begin_hostile("babble");
    let first = next_decoder(job, &[]);
    service.workers[0].wait_for_log("no sign of life for 20 s");
    assert!(!decoders_of(job).contains(&first));
    // It is supervised while it writes.
    next_decoder(job, &[first]);
    assert_eq!(
        service.client.delete(&format!("/transcribe/{job}")).status,
        204
    );
    eventually("it is ended with its job", || {
        decoders_of(job).is_empty().then_some(())
    });
    // It ended because of its job, not because it was silent again.
    let log = service.workers[0].log();
    assert_eq!(log.matches("no sign of life").count(), 1, "{log}");
    assert!(!service.workers[0].has_ended());
}

#[test]
fn a_false_answer_of_a_decoder_is_rejected() {
    check_hostile("lie", "an answer that cannot be");
}

#[test]
fn a_decoder_has_minimal_privileges() {
    let scene = Scene::begin(
        Settings::with_scripted_workers(1).in_data_folder(),
        long_recording,
    );
    let decoder = scene.decoder_at_work();
    kill_process(decoder, Signal::STOP).unwrap();
    let of = |name: &str| {
        fs::read_to_string(format!("/proc/{}/{name}", decoder.as_raw_nonzero())).unwrap()
    };
    // `cargo test` sets LD_LIBRARY_PATH, and the dynamic linker of a decoder needs it too.
    let environment = of("environ");
    let mut passed_on = environment.split_terminator('\0');
    assert!(
        passed_on.all(|variable| variable.starts_with("LD_")),
        "the environment of the worker is passed on: {environment:?}"
    );
    let status = of("status");
    assert!(status.contains("Seccomp:\t2\n"), "{status}");
    assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
    assert_eq!(of("comm"), "steno-decode\n");
    let limits = of("limits");
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..]
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned()
    };

    let names = [
        "Max address space",
        "Max file size",
        "Max core file size",
        "Max processes",
    ];

    // Four hours and one second of 16-bit samples at 16 kHz.
    assert_eq!(names.map(limit), ["536870912", "460832000", "1", "0"]);
    kill_process(decoder, Signal::CONT).unwrap();
    scene.service.client.wait_for_text(scene.job);

    scene.end();
}

#[test]
fn a_decoder_does_not_outlive_its_worker() {
    // It hangs without a stop signal, so it cannot notice the end of its worker by itself.
    let (mut service, job) = begin_hostile("hang");
    let decoder = next_decoder(job, &[]);
    let comm = format!("/proc/{}/comm", decoder.as_raw_nonzero());
    // It is bound to its worker before it takes its name.
    eventually("it has a name", || {
        (fs::read_to_string(&comm).unwrap() == "steno-decode\n").then_some(())
    });
    service.workers.remove(0).kill();
    eventually("the decoder has gone", || {
        decoders_of(job).is_empty().then_some(())
    });
}

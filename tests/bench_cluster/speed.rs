//! How fast many processes are on the same servers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use steno_e2e::statistics::percentile;
use steno_e2e::{Client, Service, Settings, Shared, fixture, repeated};
use steno_testbed::Host;

use crate::line;

const CLIENTS: usize = 64;
const STATUS_CLIENTS: u32 = 16;
const STATUS_CALLS_A_SECOND: u32 = 2000;

/// 64 clients upload an 11 s clip (352 kB) at two apis; each waits for its 202.
pub(crate) fn uploads(shared: &Shared<'_>) {
    const UPLOADS: usize = 2_000;
    let settings = || Settings::with_scripted_workers(0).sharing(shared);
    let services = [settings().start(), settings().start()];
    let audio = std::fs::read(fixture("clip.wav")).unwrap();
    let body: Vec<u8> = audio.iter().copied().cycle().take(11 * 32_000).collect();

    let (left, latencies) = (AtomicUsize::new(UPLOADS), Mutex::new(Vec::new()));
    let began = Instant::now();
    thread::scope(|scope| {
        for index in 0..CLIENTS {
            let client = &services[index % services.len()].client;
            scope.spawn(|| {
                let one_less = |left: usize| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
                    .is_ok()
                {
                    let began = Instant::now();
                    let answer = client.post("/transcribe?language=en", "audio/wav", &body);
                    assert_eq!(answer.status, 202, "{}", answer.text());
                    latencies.lock().unwrap().push(milliseconds(began));
                }
            });
        }
    });

    let rate = UPLOADS as f64 / began.elapsed().as_secs_f64();
    line(
        "64 clients: durable uploads of 352 kB",
        &format!("{rate:.0} /s"),
        ">= 200 /s",
    );
    let p99 = percentile(latencies.into_inner().unwrap(), 99);
    line(
        "64 clients: upload to 202, p99",
        &format!("{p99:.0} ms"),
        "<= 400 ms",
    );
}

/// Tasks a second with more and more slots. Each task waits 250 ms, as an engine does that computes elsewhere.
pub(crate) fn slots<'a>(shared: &dyn Fn() -> Shared<'a>) {
    let one = tasks_per_second(&shared(), 1);
    for slots in [16, 64] {
        let times = tasks_per_second(&shared(), slots) / one;
        let target = if slots == 64 { ">= 40" } else { "" };
        let name = format!("{slots} slots against 1: tasks a second");
        line(&name, &format!("{times:.1} times"), target);
    }
}

fn tasks_per_second(shared: &Shared<'_>, slots: usize) -> f64 {
    // Several processes, as on several machines; 16 slots each at most.
    let workers = slots.div_ceil(16);
    let service = Settings::with_scripted_workers(0)
        .set("STENO_SLOTS", &(slots / workers).to_string())
        .set("STENO_MAX_AUDIO_SECONDS", "43200")
        .sharing(shared);
    let mut service = service.start();
    // About four spans each: every slot gets twelve.
    let recording = repeated("long.opus", 3 * slots, &service.scratch());
    let job = service
        .client
        .submit(&recording, "language=en&prompt=wait:250");
    for _ in 0..workers {
        service.start_worker();
    }
    let done =
        || shared.count("SELECT count(*) FROM tasks WHERE kind = 'transcribe' AND status = 'done'");
    steno_e2e::eventually("every slot works", || {
        let status = service.client.status(job);
        assert!(status.error.is_none(), "{:?}", status.error);
        (done() > 2 * slots as i64).then_some(())
    });

    let (before, began) = (done(), Instant::now());
    steno_e2e::eventually("every slot has done 5 more spans", || {
        (done() >= before + 5 * slots as i64).then_some(())
    });
    let rate = (done() - before) as f64 / began.elapsed().as_secs_f64();
    let progress = service.client.status(job).progress;
    assert!(progress < 1.0, "the workers ran out of work");
    rate
}

/// One recording of two hours with one slot on each of two hosts, against one. The engine waits 400 ms a span, about as long as
/// `base` with five beams, the default, computes on one core: 0.022 s for a second of speech.
pub(crate) fn two_hosts<'a>(shared: &dyn Fn() -> Shared<'a>) {
    let (Some(one), Some(other)) = (Host::create(), Host::create()) else {
        return;
    };
    let single = two_hours(&shared(), &[&one]);
    let double = two_hours(&shared(), &[&one, &other]);
    let times = single / double;
    line(
        "2 h of sound on 2 hosts against 1",
        &format!("{times:.2} times"),
        ">= 1.8",
    );
}

/// Seconds from submission to the end of a recording of two hours.
fn two_hours(shared: &Shared<'_>, hosts: &[&Host]) -> f64 {
    let service = Settings::with_scripted_workers(0).sharing(shared).start();
    let mut workers: Vec<Service> = Vec::new();
    for host in hosts {
        let settings = Settings::with_scripted_workers(0).sharing_from(shared, host);
        let mut worker = settings.start_nothing();
        worker.start_worker();
        workers.push(worker);
    }

    let length = service.client.submit(&fixture("long.opus"), "language=en");
    let seconds = service.client.wait(length).duration_seconds.unwrap();
    let times = (7200.0 / seconds).ceil() as usize;
    let recording = repeated("long.opus", times, &service.scratch());
    let began = Instant::now();
    let job = service
        .client
        .submit(&recording, "language=en&prompt=wait:400");
    service.client.wait_for_text(job);
    began.elapsed().as_secs_f64()
}

/// 16 clients read a status at two apis, 2,000 times a second, while workers use every core.
pub(crate) fn status_calls(shared: &Shared<'_>) {
    let settings = |workers| Settings::with_workers(workers).sharing(shared);
    let services = [
        settings(1).set("STENO_SLOTS", "").start(),
        settings(0).start(),
    ];
    let client = &services[0].client;
    let long = client.submit(
        &repeated("long.opus", 30, &services[0].scratch()),
        "language=en",
    );
    let job = client.submit(&fixture("clip.opus"), "priority=-10");
    steno_e2e::eventually("every slot is at work", || {
        (client.status(long).progress > 0.0).then_some(())
    });

    let latencies = Mutex::new(Vec::new());
    let began = Instant::now();
    thread::scope(|scope| {
        for index in 0..STATUS_CLIENTS {
            let address = services[index as usize % services.len()].address();
            let latencies = &latencies;
            scope.spawn(move || {
                let client = Client::new(&format!("http://{address}"));
                let mut own = Vec::new();
                let pace = Duration::from_secs(1) * STATUS_CLIENTS / STATUS_CALLS_A_SECOND;
                let mut due = began + pace * index / STATUS_CLIENTS;
                while began.elapsed() < Duration::from_secs(10) {
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    assert_eq!(client.get(&format!("/transcribe/{job}")).status, 200);
                    // A call that begins late because the one before was slow counts from when it was due.
                    own.push(milliseconds(due));
                    due += pace;
                }
                latencies.lock().unwrap().extend(own);
            });
        }
    });

    let latencies = latencies.into_inner().unwrap();
    let rate = latencies.len() as f64 / began.elapsed().as_secs_f64();
    line(
        "status calls a second, all cores at work",
        &format!("{rate:.0}"),
        "2000",
    );
    line(
        "their p99",
        &format!("{:.1} ms", percentile(latencies, 99)),
        "<= 25 ms",
    );
}

fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}

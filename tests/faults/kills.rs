//! `kill -9` of workers, of the api, and of both, at random moments.

use std::thread;

use steno_e2e::{Settings, eventually};

use steno_store::{JobFilter, Store};

use crate::bed::{Bed, Ledger, RECORDINGS, Random, report, scale};

/// Number of unfinished jobs while processes are killed.
const BACKLOG: u64 = 6;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Victim {
    Worker,
    Api,
    Both,
}

/// Kills and restarts processes while submitting jobs. Returns the ledger.
fn torture(bed: &mut Bed, random: &mut Random, victim: Victim, kills: usize) -> Ledger {
    let mut ledger = Ledger::default();
    let rows = bed.rows();
    let mut ended_before = ended(&rows);
    for _ in 0..kills {
        while !rows.is_queue_full(BACKLOG).unwrap() {
            bed.submit_surely(&mut ledger, RECORDINGS[random.below(2) as usize]);
        }
        // Kills faster than the work would hit every job three times. Apart from that, the moment is random.
        eventually("a job ends between two kills", || {
            let now_ended = ended(&rows);
            (now_ended > ended_before).then(|| ended_before = now_ended)
        });
        thread::sleep(random.milliseconds(50, 900));
        if victim != Victim::Api {
            let index = random.below(bed.service.workers.len() as u64) as usize;
            bed.service.workers.remove(index).kill();
        }
        if victim == Victim::Worker {
            bed.service.start_worker();
        } else {
            kill_api_in_mid_upload(bed, random, &mut ledger);
            if victim == Victim::Both {
                bed.service.start_worker();
            }
        }
        bed.check();
    }
    ledger
}

/// Number of ended jobs so far.
fn ended(rows: &Store) -> usize {
    let jobs = rows.inspect_jobs(&JobFilter::default()).unwrap();
    jobs.iter().filter(|job| job.status.is_terminal()).count()
}

/// Kills the api while a client uploads. The answer that the client received counts.
fn kill_api_in_mid_upload(bed: &mut Bed, random: &mut Random, ledger: &mut Ledger) {
    let api = bed.service.api.take().unwrap();
    let (name, wait) = (
        RECORDINGS[random.below(2) as usize],
        random.milliseconds(0, 15),
    );
    thread::scope(|scope| {
        let client = scope.spawn(|| bed.submit(ledger, name));
        thread::sleep(wait);
        api.kill();
        client.join().unwrap();
    });
    bed.service.start_api();
}

fn campaign(name: &str, victim: Victim, kills: usize) {
    let mut bed = Bed::new(
        Settings::with_scripted_workers(2).set("STENO_SLOTS", "2"),
        "wait:5",
    );
    let ledger = torture(&mut bed, &mut Random::new(), victim, kills);
    let tally = bed.settle(ledger);
    report(name, &format!("{kills} kills, {tally:?}"));
    assert!(tally.completed > kills / 2, "{tally:?}");
    // A job fails if three kills hit it, which is rare.
    assert!(
        tally.crashed <= 1 + tally.completed / scale(10, 5),
        "{tally:?}"
    );
}

#[test]
fn kills_of_workers() {
    campaign("kill -9 of a worker", Victim::Worker, scale(300, 12));
}

#[test]
fn kills_of_the_api() {
    campaign("kill -9 of the api", Victim::Api, scale(300, 12));
}

#[test]
fn kills_of_both() {
    campaign("kill -9 of both", Victim::Both, scale(100, 6));
}

/// The same with Whisper: one recording per kill, killed after it started.
fn real_campaign(name: &str, victim: Victim, kills: usize) {
    let mut bed = Bed::new(Settings::with_workers(2), "A sentence.");
    let (mut ledger, mut random) = (Ledger::default(), Random::new());
    for kill in 0..kills {
        if kill > 0 && kill % 50 == 0 {
            report(name, &format!("{kill} kills so far"));
        }
        let job = bed.submit_surely(&mut ledger, RECORDINGS[1]);
        eventually("it has begun", || {
            (bed.service.client.status(job).progress > 0.0).then_some(())
        });
        thread::sleep(random.milliseconds(0, 3000));
        if victim != Victim::Api {
            let index = random.below(2) as usize;
            bed.service.workers.remove(index).kill();
        }
        if victim != Victim::Worker {
            kill_api_in_mid_upload(&mut bed, &mut random, &mut ledger);
        }
        bed.revive();
    }
    let accepted = ledger.len();
    let tally = bed.settle(ledger);
    report(name, &format!("{kills} kills, {tally:?}"));
    assert_eq!(tally.completed, accepted, "{tally:?}");
}

#[test]
fn kills_of_workers_with_the_real_engine() {
    real_campaign(
        "kill -9 of a worker, real engine",
        Victim::Worker,
        scale(100, 2),
    );
}

#[test]
fn kills_of_the_api_with_the_real_engine() {
    real_campaign(
        "kill -9 of the api, real engine",
        Victim::Api,
        scale(100, 1),
    );
}

#[test]
fn kills_of_both_with_the_real_engine() {
    real_campaign("kill -9 of both, real engine", Victim::Both, scale(100, 1));
}

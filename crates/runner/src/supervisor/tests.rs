//! A supervisor on a real store whose slots claim nothing by themselves.

use steno_models::JobId;
use steno_store::{ManualClock, NewJob, Place, StoreSettings, TaskKind};

use super::*;
use crate::{ClaimedTask, Done, TaskSlot, Undone};

/// Can do no kind of task.
struct Nothing;

impl TaskRunner for Nothing {
    fn kinds(&self) -> &[TaskKind] {
        &[]
    }

    fn open_slot(&self) -> Box<dyn TaskSlot + '_> {
        Box::new(Self)
    }
}

impl TaskSlot for Nothing {
    fn run(&mut self, _: &ClaimedTask<'_>) -> Result<Done, Undone> {
        Err(Undone::Stopped)
    }
}

fn start(folder: &std::path::Path) -> Supervisor {
    start_with(folder, Store::clock)
}

fn start_with(
    folder: &std::path::Path,
    clock: impl FnOnce(&Store) -> Arc<dyn Clock>,
) -> Supervisor {
    let place = Place {
        data: folder.to_owned(),
        database: None,
    };
    Store::init(place.clone()).unwrap();
    let settings = StoreSettings {
        ttl: Duration::from_secs(3600),
        retrieval_grace: Duration::from_secs(60),
        lease: Duration::from_secs(30),
    };
    let store = Arc::new(Store::open(place, settings).unwrap());
    let clock = clock(&store);
    let settings = RunnerSettings {
        run: RunSettings {
            slots: 1,
            ..RunSettings::default()
        },
        stall_timeout: Duration::from_secs(60),
        drain_timeout: Duration::from_secs(5),
        sweep_interval: Duration::from_secs(10),
    };
    Supervisor::start(settings, store, Arc::new(Nothing), clock).unwrap()
}

/// Submits a job and claims its first task for the run of the supervisor, without a slot.
fn claim_unheld(shared: &Shared) -> ClaimId {
    let Shared {
        store, run, clock, ..
    } = shared;
    let mut upload = store.files().begin_upload(JobId::random(), 0).unwrap();
    upload.write(b"RIFF").unwrap();
    let job = NewJob::of(upload.store().unwrap());
    store.submit_job(clock.now(), job).unwrap();
    let claim = store.claim_task(clock.now(), run, &[TaskKind::Prepare]);
    claim.unwrap().unwrap().id
}

#[test]
fn a_claim_without_a_slot_is_given_back_at_the_second_heartbeat_after_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = start(folder.path());
    let shared = Arc::clone(&supervisor.shared);
    let claim = claim_unheld(&shared);
    let standing = || shared.store.standing_claims(&shared.run).unwrap();

    for _ in 0..2 {
        supervisor.release_unheld_claims().unwrap();
        assert_eq!(standing(), [claim], "nothing has failed");
    }
    let has_failed = std::sync::atomic::AtomicBool::new(false);
    shared
        .retry(|| {
            if has_failed.swap(true, Ordering::SeqCst) {
                Ok(())
            } else {
                Err(StoreError::Contradiction { action: "test" })
            }
        })
        .unwrap();

    supervisor.release_unheld_claims().unwrap();
    assert_eq!(standing(), [claim], "a slot may be about to begin with it");
    supervisor.release_unheld_claims().unwrap();
    assert_eq!(standing(), []);
}

#[test]
fn the_claim_of_a_slot_is_not_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = start(folder.path());
    let shared = Arc::clone(&supervisor.shared);
    let claim = claim_unheld(&shared);
    supervisor.slots[0].control.begin(claim);

    for _ in 0..3 {
        shared.may_have_unheld_claims.store(true, Ordering::SeqCst);
        supervisor.release_unheld_claims().unwrap();
    }
    assert_eq!(shared.store.standing_claims(&shared.run).unwrap(), [claim]);
}

#[test]
fn a_jump_of_the_clock_of_the_queue_is_no_stall() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at_ms(1_800_000_000_000));
    let supervisor = start_with(folder.path(), |_| Arc::clone(&clock) as Arc<dyn Clock>);
    supervisor.slots[0].control.begin(ClaimId::random());

    clock.advance_ms(3_600_000);
    assert!(supervisor.broken_slots().is_empty());
}

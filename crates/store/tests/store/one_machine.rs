//! What holds where all processes of a queue are on one machine: its wall clock, and commits that any process sees at once.

use steno_models::{Status, TombstoneReason};
use steno_store::{Store, Sweep};

use crate::deletion::{completed, tombstone_reason};
use crate::support::{Fixture, settings};

#[test]
fn a_clock_that_jumps_deletes_nothing_early_and_keeps_nothing_longer() {
    const HOUR_MS: i64 = 3_600_000;
    for jump_ms in [
        -25 * HOUR_MS,
        -HOUR_MS,
        HOUR_MS,
        25 * HOUR_MS,
        10 * 365 * 24 * HOUR_MS,
    ] {
        let f = Fixture::new();
        f.store.sweep(f.now()).unwrap();
        let retrieved = completed(&f, "hello");
        let pending = f.submit();
        f.store
            .mark_retrieved(f.now(), f.now().wall, retrieved)
            .unwrap();

        f.clock.jump_wall_ms(jump_ms);
        assert_eq!(
            f.store.sweep(f.now()).unwrap(),
            Sweep::default(),
            "{jump_ms}"
        );
        assert_eq!(
            f.status(retrieved).status,
            Status::Completed,
            "its grace goes on"
        );

        f.clock.advance_ms(61_000);
        f.store.sweep(f.now()).unwrap();
        assert_eq!(
            tombstone_reason(&f, retrieved),
            Some(TombstoneReason::Retrieved),
            "and ends"
        );

        f.clock.advance_ms(24 * HOUR_MS - 62_000);
        assert_eq!(f.store.sweep(f.now()).unwrap(), Sweep::default());
        f.clock.advance_ms(2_000);
        assert_eq!(f.store.sweep(f.now()).unwrap().expired, 1, "{jump_ms}");
        assert_eq!(
            tombstone_reason(&f, pending),
            Some(TombstoneReason::Expired)
        );
    }
}

#[test]
fn the_version_changes_with_every_commit_of_any_process() {
    let f = Fixture::new();
    let other = Store::open(f.root.path(), settings()).unwrap();
    let before = f.store.version().unwrap();
    assert_eq!(f.store.version().unwrap(), before);
    f.submit();
    let after_own = f.store.version().unwrap();
    assert_ne!(after_own, before);
    other
        .register_run(
            f.now(),
            &f.store.begin_run().unwrap(),
            &steno_store::RunSettings {
                role: steno_store::RunRole::Worker,
                slots: 1,
                model: "base".into(),
                version: "1".into(),
            },
        )
        .unwrap();
    assert_ne!(f.store.version().unwrap(), after_own);
}

//! The disk fills up and is freed again: nothing is accepted that is not durable, deletion works, and no restart is needed.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use steno_e2e::{Settings, eventually, fixture};
use steno_models::ProblemCode;

use crate::bed::{Bed, Ledger, RECORDINGS, report, scale};

/// Set in the process whose temporary files are on a small disk.
const HAS_SMALL_DISK: &str = "STENO_FAULTS_HAS_SMALL_DISK";
const DISK: &str = "48m";

/// Fills the disk, and frees it when dropped.
struct Filler(PathBuf);

impl Filler {
    fn new(folder: &Path) -> Self {
        let path = folder.join("filler");
        let mut file = File::create(&path).unwrap();
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
        Self(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

/// Runs this test again in its own mount namespace, with temporary files on a small disk.
fn run_on_small_disk(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size={DISK} tmpfs \"$0\" && TMPDIR=\"$0\" exec \"$@\"");
    let status = Command::new("unshare")
        .args([
            "--map-root-user",
            "--mount",
            "--kill-child",
            "--fork",
            "sh",
            "-c",
            &mount,
        ])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(HAS_SMALL_DISK, "yes")
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn a_full_disk_loses_nothing_and_deletion_works() {
    if std::env::var_os(HAS_SMALL_DISK).is_none() {
        return run_on_small_disk("full_disk::a_full_disk_loses_nothing_and_deletion_works");
    }
    let rounds = scale(20, 3);
    let settings = Settings::with_scripted_workers(1)
        .in_data_folder()
        .set("STENO_DISK_RESERVE_BYTES", "16MB")
        .set("STENO_SWEEP_INTERVAL", "1s");
    let mut bed = Bed::new(settings, "wait:100");
    let ballast = bed.service.data().join("run/ballast");
    for round in 0..rounds {
        eventually("the ballast is there", || ballast.exists().then_some(()));
        let mut ledger = Ledger::default();
        for index in 0..6 {
            bed.submit_surely(&mut ledger, RECORDINGS[index % 2]);
        }
        let doomed = bed.service.client.submit(
            &fixture("clip.opus"),
            "language=en&prompt=wait:60000&priority=-10",
        );
        let filler = Filler::new(&bed.service.scratch());
        // Refused at once with `Retry-After`, for every client.
        let refused = bed.service.client.upload(&fixture("clip.opus"), "");
        assert_eq!(
            (refused.status, refused.problem().code),
            (507, ProblemCode::DiskReserve)
        );
        assert!(refused.header("retry-after").is_some());
        assert_eq!(bed.service.client.get("/readyz").status, 503);
        // Deletion uses the space of the ballast.
        assert_eq!(
            bed.service
                .client
                .delete(&format!("/transcribe/{doomed}"))
                .status,
            204,
            "round {round}"
        );
        if round % 2 == 0 {
            // Now fill the remaining space too: jobs wait for free space and lose nothing.
            let rest = Filler(bed.service.scratch().join("rest"));
            let mut file = File::create(&rest.0).unwrap();
            while file.write_all(&[1; 4096]).is_ok() {}
            let began = Instant::now();
            eventually("it stays full for a while", || {
                (began.elapsed() > Duration::from_secs(1)).then_some(())
            });
        }
        drop(filler);
        let tally = bed.settle(ledger);
        assert_eq!(tally.crashed, 0);
        assert_eq!(bed.restarts, 0, "it recovers without a restart");
        let later = bed
            .service
            .client
            .submit(&fixture("clip.opus"), "language=en");
        bed.service.client.wait_for_text(later);
        bed.service.client.delete(&format!("/transcribe/{later}"));
    }

    report(
        "full disk",
        &format!("{rounds} times full and back, nothing lost, no restart"),
    );
}

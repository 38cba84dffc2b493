//! Detects that the kernel killed a process because memory ran out: the machine is at fault then, not
//! the recording.

use std::collections::HashMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};

use rustix::process::Signal;
use steno_models::JobId;

/// How often the decoders of one job may be killed for memory before that costs it a try. Bounds the
/// time that a recording can keep a short machine busy.
const FREE_KILLS: u32 = 6;

/// The kernel's counts of processes killed for memory, on this machine and in this process's cgroup.
pub(super) struct OomKills(Vec<(PathBuf, u64)>);

impl OomKills {
    /// The present counts, as far as this process can read them.
    pub(super) fn now() -> Self {
        let cgroup = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let paths = [Some(PathBuf::from("/proc/vmstat")), events_of(&cgroup)];
        let counted = paths
            .into_iter()
            .flatten()
            .filter_map(|path| Some((path.clone(), count_in(&path)?)));
        Self(counted.collect())
    }

    /// Whether a process that ended this way was killed by the kernel for memory, since these counts.
    pub(super) fn explain(&self, status: ExitStatus) -> bool {
        let is_killed = status.signal() == Some(Signal::KILL.as_raw());
        is_killed && self.have_risen()
    }

    fn have_risen(&self) -> bool {
        self.0
            .iter()
            .any(|(path, before)| count_in(path).is_some_and(|now| now > *before))
    }
}

/// The file with the events of a process's cgroup, of version 2.
fn events_of(cgroup: &str) -> Option<PathBuf> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new("/sys/fs/cgroup").join(path).join("memory.events"))
}

/// The line `oom_kill` of a file of counters.
fn count_in(path: &Path) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?
        .trim()
        .parse()
        .ok()
}

/// How often the decoders of each job were killed for memory.
#[derive(Default)]
pub(crate) struct MemoryKills(Mutex<HashMap<JobId, u32>>);

impl MemoryKills {
    /// Counts another one. Whether it is free of charge.
    pub(crate) fn note(&self, job: JobId) -> bool {
        let mut kills = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kills = kills.entry(job).or_default();
        *kills += 1;
        *kills <= FREE_KILLS
    }

    /// Forgets a job when its recording and its references are decoded.
    pub(crate) fn forget(&self, job: JobId) {
        let mut kills = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kills.remove(&job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kill_with_a_rising_count_is_for_memory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |kills: u32| {
            fs::write(file.path(), format!("oom 4\noom_kill {kills}\nlow 1\n")).unwrap();
        };
        write(3);
        let before = OomKills(vec![(
            file.path().to_owned(),
            count_in(file.path()).unwrap(),
        )]);
        let killed = ExitStatus::from_raw(9);
        assert!(!before.explain(killed), "another process sent it");

        write(4);
        assert!(before.explain(killed));
        assert!(!before.explain(ExitStatus::from_raw(6)), "it has aborted");
        assert!(!OomKills(Vec::new()).explain(killed), "nothing can be read");
    }

    #[test]
    fn the_counts_of_this_machine_can_be_read() {
        assert!(!OomKills::now().0.is_empty());
        let events = events_of("1:cpu:/x\n0::/system.slice/steno-worker@1.service\n");
        let expected = "/sys/fs/cgroup/system.slice/steno-worker@1.service/memory.events";
        assert_eq!(events, Some(PathBuf::from(expected)));
    }

    #[test]
    fn kills_for_memory_are_free_some_times() {
        let kills = MemoryKills::default();
        let job = JobId::random();
        for _ in 0..FREE_KILLS {
            assert!(kills.note(job));
        }
        assert!(!kills.note(job));
        assert!(kills.note(JobId::random()), "another job");
        kills.forget(job);
        assert!(kills.note(job));
    }
}

//! Objects without a row, left by a process whose machine is gone. No sweep of a cache can find
//! them.
//!
//! An object is deleted when it has been without a row for an hour on the clock of this process.
//! The object's own timestamp comes from another machine's clock, which may be wrong.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Bucket, path_of};
use crate::files::Entry;
use crate::tx::JobFiles;
use crate::{Now, StoreError};

/// Age from which an object without a row is an orphan.
pub(super) const LEAST_AGE_MS: i64 = 3_600_000;
/// Pause between two scans: each lists the whole bucket below the prefix.
const SCAN_INTERVAL_MS: i64 = 600_000;

/// Objects without a row, with the time since boot when that was seen first, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct FirstSeen(Mutex<Scans>);

#[derive(Debug, Default)]
struct Scans {
    begun_at_ms: Option<i64>,
    objects: HashMap<String, i64>,
}

impl FirstSeen {
    fn lock(&self) -> MutexGuard<'_, Scans> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    /// Whether it is time for a scan. Returns true to only one caller.
    pub(crate) fn begin_scan(&self, now: Now) -> bool {
        let mut scans = self.first_seen.lock();
        let is_due = scans
            .begun_at_ms
            .is_none_or(|at| now.boot_ms - at >= SCAN_INTERVAL_MS);
        if is_due {
            scans.begun_at_ms = Some(now.boot_ms);
        }
        is_due
    }

    /// Looks for orphans, and deletes those that are old enough. Returns how many.
    pub(crate) fn delete_orphans(
        &self,
        now: Now,
        needed_names: impl Fn(JobFiles) -> Result<HashSet<String>, StoreError>,
    ) -> Result<u32, StoreError> {
        let mut scans = self.first_seen.lock();
        let mut seen = HashMap::new();
        let mut old = Vec::new();
        for files in JobFiles::ALL {
            // List the objects before the rows. A row that is committed later is seen by the scan
            // in an hour.
            let entries = self.list(files)?;
            let needed = needed_names(files)?;
            for entry in entries {
                let Entry::Ours(name) = entry else { continue };
                if needed.contains(&name) {
                    continue;
                }
                let path = path_of(files, &name);
                let first = scans.objects.get(&path).copied().unwrap_or(now.boot_ms);
                if now.boot_ms - first >= LEAST_AGE_MS {
                    old.push(path.clone());
                }
                seen.insert(path, first);
            }
        }
        scans.objects = seen;

        let deleted = self.delete(old);
        for path in &deleted.paths {
            scans.objects.remove(path);
        }
        deleted.failed.map_or(Ok(deleted.paths.len() as u32), Err)
    }
}

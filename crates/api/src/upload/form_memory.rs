//! Memory for the form fields of uploads in progress. All forms share it, so that many slow uploads with recordings of known speakers
//! cannot use up the memory of the machine. Recordings themselves go to disk and are not counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of each form that are not counted. Usual options need less.
const FREE_BYTES: usize = 16 * 1024;
/// Bytes beyond these of all forms together.
const SHARED_BYTES: usize = 64 * 1024 * 1024;

/// The counter that all forms share. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct FormMemory(Arc<AtomicUsize>);

/// The part of one form. It is given back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct FormShare {
    memory: FormMemory,
    bytes: usize,
}

impl FormMemory {
    /// A new form, which takes nothing yet.
    pub(crate) fn share(&self) -> FormShare {
        FormShare {
            memory: self.clone(),
            bytes: 0,
        }
    }
}

impl FormShare {
    /// Takes as much as a form with so many bytes of fields needs. Returns false if other forms have the rest.
    pub(super) fn cover(&mut self, bytes: usize) -> bool {
        let needed = bytes.saturating_sub(FREE_BYTES);
        let more = needed.saturating_sub(self.bytes);
        if more == 0 {
            return true;
        }

        let with_more = |taken: usize| Some(taken + more).filter(|sum| *sum <= SHARED_BYTES);
        let taken = &self.memory.0;
        let outcome = taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, with_more);
        if outcome.is_err() {
            return false;
        }
        self.bytes += more;
        true
    }
}

impl Drop for FormShare {
    fn drop(&mut self) {
        self.memory.0.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_share_the_memory_and_give_it_back() {
        let memory = FormMemory::default();
        let mut large = memory.share();
        let mut other = memory.share();
        assert!(large.cover(SHARED_BYTES));
        assert!(other.cover(2 * FREE_BYTES));
        assert!(!other.cover(2 * FREE_BYTES + 1));
        assert!(!large.cover(SHARED_BYTES + 1));
        assert!(memory.share().cover(FREE_BYTES), "usual options need none");

        drop(large);
        assert!(other.cover(SHARED_BYTES));
        drop(other);
        assert_eq!(memory.0.load(Ordering::SeqCst), 0);
    }
}

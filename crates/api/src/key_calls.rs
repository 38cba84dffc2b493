//! Calls in progress by API key: none takes all connections, as with streams of events that it never ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Share of the connections that are served which the calls of one key may take.
const SHARE: usize = 4;

/// How many calls of each key are in progress.
#[derive(Clone, Default)]
pub(crate) struct KeyCalls(Arc<Mutex<HashMap<String, usize>>>);

/// A call of a key, until this is dropped.
pub(crate) struct KeyCall {
    calls: KeyCalls,
    key: String,
}

impl KeyCalls {
    /// Counts a call of a key; `None` if it has its share of `most_connections` already.
    pub(crate) fn begin(&self, key: &str, most_connections: usize) -> Option<KeyCall> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = calls.entry(key.to_owned()).or_default();
        if *count >= (most_connections / SHARE).max(1) {
            return None;
        }
        *count += 1;
        Some(KeyCall {
            calls: self.clone(),
            key: key.to_owned(),
        })
    }
}

impl Drop for KeyCall {
    fn drop(&mut self) {
        let mut calls = self.calls.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = calls.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                calls.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_share_and_no_more() {
        let calls = KeyCalls::default();
        let mut of_alice: Vec<_> = (0..5).map(|_| calls.begin("alice", 20).unwrap()).collect();
        assert!(calls.begin("alice", 20).is_none());
        assert!(
            calls.begin("bob", 20).is_some(),
            "another key is not concerned"
        );
        of_alice.pop();
        assert!(calls.begin("alice", 20).is_some());
        drop(of_alice);
        assert!(calls.0.lock().unwrap().is_empty());
        assert!(
            calls.begin("alice", 1).is_some(),
            "one call is always possible"
        );
    }
}

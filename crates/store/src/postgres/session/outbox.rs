//! Messages that wait to be sent together.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::signal::message::{Audience, WakeMessage};

/// Most messages that wait while there is no connection. Beyond that, one message that says that
/// anything may have changed replaces them.
const CAPACITY: usize = 10_000;

/// Channels of LISTEN and NOTIFY, by what is reported.
const WORK: &str = "steno_work";
const JOBS: &str = "steno_jobs";

/// The channel on which an audience listens.
pub(super) fn channel(audience: Audience) -> &'static str {
    match audience {
        Audience::Workers => WORK,
        Audience::Apis | Audience::Couriers => JOBS,
    }
}

/// Messages that wait to be sent. Equal ones are sent once.
#[derive(Default)]
pub(super) struct Outbox(Mutex<BTreeSet<(&'static str, String)>>);

impl Outbox {
    /// Adds messages. Returns whether it was empty before: then the caller has to request the
    /// sending.
    pub(super) fn put(&self, messages: impl IntoIterator<Item = WakeMessage>) -> bool {
        let mut waiting = self.lock();
        let was_empty = waiting.is_empty();
        for message in messages {
            for audience in message.audience() {
                waiting.insert((channel(*audience), message.to_string()));
            }
        }
        if waiting.len() > CAPACITY {
            waiting.clear();
            for channel in [WORK, JOBS] {
                waiting.insert((channel, WakeMessage::Missed.to_string()));
            }
        }
        was_empty && !waiting.is_empty()
    }

    /// Takes everything, as channels and texts.
    pub(super) fn take(&self) -> (Vec<&'static str>, Vec<String>) {
        std::mem::take(&mut *self.lock()).into_iter().unzip()
    }

    /// Puts back what could not be sent.
    pub(super) fn put_back(&self, channels: Vec<&'static str>, texts: Vec<String>) {
        self.lock().extend(channels.into_iter().zip(texts));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(&'static str, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use steno_models::JobId;

    use super::*;

    #[test]
    fn equal_messages_are_sent_once_and_only_the_first_causes_it() {
        let outbox = Outbox::default();
        let job = JobId::random();
        assert!(!outbox.put([]));
        assert!(outbox.put([WakeMessage::Work, WakeMessage::Work]));
        assert!(!outbox.put([WakeMessage::Changed(job)]));

        let (channels, texts) = outbox.take();
        assert_eq!(channels, [JOBS, WORK]);
        assert_eq!(texts, [format!("J{job}"), "W".to_owned()]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn too_many_messages_become_one_that_says_so() {
        let outbox = Outbox::default();
        for _ in 0..=CAPACITY {
            outbox.put([WakeMessage::Changed(JobId::random())]);
        }
        let (channels, texts) = outbox.take();
        assert_eq!(channels, [JOBS, WORK]);
        assert_eq!(texts, ["M", "M"]);
    }
}

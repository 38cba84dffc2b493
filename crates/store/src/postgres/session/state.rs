//! What the thread of a session shares with its callers.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::outbox::Outbox;
use crate::Clock;
use crate::signal::message::{Audience, WakeMessage};

/// Most messages that wait for one listener. Beyond that, it only learns that it missed some.
const INBOX_SIZE: usize = 1024;

/// The number of the lock that all connections of a process take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessKey(i64);

impl ProcessKey {
    /// A random key. Small numbers are left for locks with a fixed meaning.
    pub(crate) fn random() -> Self {
        let (high, _) = Uuid::new_v4().as_u64_pair();
        Self((high >> 2) as i64 | 1 << 62)
    }

    /// The number in the database.
    pub(crate) fn number(self) -> i64 {
        self.0
    }
}

/// What the thread of a session shares with its callers.
pub(super) struct State {
    pub(super) key: ProcessKey,
    /// The clock of this machine.
    pub(super) host: Arc<dyn Clock>,
    /// Milliseconds between this machine's time since boot and the time of the database.
    pub(super) offset_ms: AtomicI64,
    pub(super) outbox: Outbox,
    listeners: Mutex<Vec<Listener>>,
    version: AtomicI64,
    generation: AtomicU64,
    reconnected_at: Mutex<Option<Instant>>,
    wants_watch: AtomicBool,
    is_on_watch: AtomicBool,
}

/// The sending end of an [`Inbox`].
struct Listener {
    audience: Audience,
    messages: SyncSender<WakeMessage>,
    has_missed: Arc<AtomicBool>,
}

/// The messages for one listener.
#[derive(Debug)]
pub(crate) struct Inbox {
    messages: Receiver<WakeMessage>,
    has_missed: Arc<AtomicBool>,
}

impl Inbox {
    /// Waits for a message, at most `limit`.
    pub(crate) fn receive(&self, limit: Duration) -> Option<WakeMessage> {
        if self.has_missed.swap(false, Ordering::SeqCst) {
            return Some(WakeMessage::Missed);
        }
        match self.messages.recv_timeout(limit) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                // The session's thread is gone; the caller's poll goes on at its pace.
                std::thread::sleep(limit);
                None
            }
        }
    }
}

impl State {
    pub(super) fn new(key: ProcessKey, host: Arc<dyn Clock>) -> Self {
        Self {
            key,
            host,
            offset_ms: AtomicI64::new(0),
            outbox: Outbox::default(),
            listeners: Mutex::default(),
            version: AtomicI64::new(0),
            generation: AtomicU64::new(0),
            reconnected_at: Mutex::default(),
            wants_watch: AtomicBool::new(false),
            is_on_watch: AtomicBool::new(false),
        }
    }

    pub(super) fn version(&self) -> i64 {
        self.version.load(Ordering::SeqCst)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    pub(super) fn since_reconnection(&self) -> Option<Duration> {
        let at = *self
            .reconnected_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        at.map(|at| at.elapsed())
    }

    /// Asks for a seat on the watch. Returns whether this is the first time.
    pub(super) fn ask_for_watch(&self) -> bool {
        !self.wants_watch.swap(true, Ordering::SeqCst)
    }

    /// Whether this process would take a seat.
    pub(super) fn wants_seat(&self) -> bool {
        self.wants_watch.load(Ordering::SeqCst) && !self.is_on_watch()
    }

    pub(super) fn is_on_watch(&self) -> bool {
        self.is_on_watch.load(Ordering::SeqCst)
    }

    pub(super) fn take_seat(&self) {
        self.is_on_watch.store(true, Ordering::SeqCst);
    }

    pub(super) fn listen(&self, audience: Audience) -> Inbox {
        let (messages, received) = sync_channel(INBOX_SIZE);
        let has_missed = Arc::new(AtomicBool::new(false));
        self.lock_listeners().push(Listener {
            audience,
            messages,
            has_missed: Arc::clone(&has_missed),
        });
        Inbox {
            messages: received,
            has_missed,
        }
    }

    /// The audiences that have a listener.
    pub(super) fn audiences(&self) -> Vec<Audience> {
        self.lock_listeners()
            .iter()
            .map(|listener| listener.audience)
            .collect()
    }

    /// Gives a message to the listeners that it is for.
    pub(super) fn deliver(&self, message: WakeMessage) {
        self.lock_listeners().retain(|listener| {
            if !message.audience().contains(&listener.audience) {
                return true;
            }
            match listener.messages.try_send(message) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    listener.has_missed.store(true, Ordering::SeqCst);
                    true
                }
                Err(TrySendError::Disconnected(_)) => false,
            }
        });
    }

    /// A connection is open, and it is the first one or replaces one that was lost: messages were missed in between.
    pub(super) fn note_connection(&self) {
        let earlier = self.generation.fetch_add(1, Ordering::SeqCst);
        self.note_poll();
        if earlier > 0 {
            *self
                .reconnected_at
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            self.deliver(WakeMessage::Missed);
        }
    }

    /// The seat went with the connection.
    pub(super) fn note_loss(&self) {
        self.is_on_watch.store(false, Ordering::SeqCst);
    }

    /// Reports a poll: callers check for changes that no message announced.
    pub(super) fn note_poll(&self) {
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    fn lock_listeners(&self) -> std::sync::MutexGuard<'_, Vec<Listener>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

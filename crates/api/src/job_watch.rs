//! Telling long-polling clients that their job changed, without a look at the database for each of them.
//!
//! One thread receives the datagrams that workers send after a commit. For those that get lost, it looks about once a
//! second whether anything was committed at all, and then with one query which of the awaited jobs have ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use steno_models::JobId;
use steno_store::{Store, StoreError, WakeMessage, WakeSocket};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// Pause between two looks at the database.
const BACKSTOP: Duration = Duration::from_secs(1);

/// The clients that wait, by job.
#[derive(Default)]
pub(crate) struct JobWatch {
    waiting: Mutex<HashMap<JobId, Weak<Notify>>>,
}

impl JobWatch {
    /// A handle that is notified when the job changes. Ask for it before looking at the job: what happens after the
    /// look is not missed then.
    pub(crate) fn subscribe(&self, job: JobId) -> Arc<Notify> {
        let mut waiting = self.lock();
        if let Some(notify) = waiting.get(&job).and_then(Weak::upgrade) {
            return notify;
        }
        let notify = Arc::new(Notify::new());
        waiting.insert(job, Arc::downgrade(&notify));
        notify
    }

    fn notify(&self, job: JobId) {
        if let Some(notify) = self.lock().get(&job).and_then(Weak::upgrade) {
            notify.notify_waiters();
        }
    }

    /// The jobs somebody waits for. Forgets the others.
    fn awaited(&self) -> Vec<JobId> {
        let mut waiting = self.lock();
        waiting.retain(|_, notify| notify.strong_count() > 0);
        waiting.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Weak<Notify>>> {
        // The map is whole after every statement, even if a thread died between two.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread that feeds a watch. It ends within a second of `stopping`.
pub(crate) fn start(
    store: Arc<Store>,
    watch: Arc<JobWatch>,
    stopping: watch::Receiver<bool>,
) -> Result<thread::JoinHandle<()>, StoreError> {
    let socket = WakeSocket::bind_api(store.data(), &Uuid::new_v4().simple().to_string())?;
    Ok(thread::spawn(move || {
        let mut seen = None;
        while !*stopping.borrow() {
            if let Some(WakeMessage::Changed(job)) = socket.receive(BACKSTOP) {
                watch.notify(job);
                continue;
            }
            match ended_since(&store, &watch, &mut seen) {
                Ok(ended) => ended.into_iter().for_each(|job| watch.notify(job)),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot look for jobs that ended");
                }
            }
        }
    }))
}

fn ended_since(store: &Store, watch: &JobWatch, seen: &mut Option<i64>) -> Result<Vec<JobId>, StoreError> {
    let awaited = watch.awaited();
    if awaited.is_empty() {
        return Ok(Vec::new());
    }
    let version = store.version()?;
    if seen.replace(version) == Some(version) {
        return Ok(Vec::new());
    }
    store.ended_jobs(&awaited)
}

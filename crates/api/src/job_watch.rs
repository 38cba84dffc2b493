//! Telling clients that wait that their job changed, without a look at the database for each of them.
//!
//! One thread receives the messages that workers send after a commit. As messages can be lost, it also polls about once a
//! second whether anything was committed at all, and then with one query which of the awaited jobs have ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use steno_models::JobId;
use steno_store::{Audience, Store, StoreError, WakeMessage};
use tokio::sync::watch;

use crate::state::report;

/// Pause between two polls of the database.
const BACKSTOP: Duration = Duration::from_secs(1);

/// The clients that wait, by job.
#[derive(Default)]
pub(crate) struct JobWatch {
    waiting: Mutex<HashMap<JobId, Weak<watch::Sender<()>>>>,
}

/// One client's wait for changes of one job. Changes between two waits are not missed.
pub(crate) struct Subscription {
    /// Lives as long as a request waits.
    _sender: Arc<watch::Sender<()>>,
    changes: watch::Receiver<()>,
}

impl Subscription {
    /// Resolves when the job has changed since the subscription, or since this resolved last.
    pub(crate) async fn changed(&mut self) {
        // The sender lives as long as this: an error cannot be.
        let _ = self.changes.changed().await;
    }
}

impl JobWatch {
    /// Begins to wait. Subscribe before looking at the job: what happens after the look is not missed then.
    pub(crate) fn subscribe(&self, job: JobId) -> Subscription {
        let mut waiting = self.lock();
        let sender = waiting
            .get(&job)
            .and_then(Weak::upgrade)
            .unwrap_or_else(|| {
                let sender = Arc::new(watch::Sender::new(()));
                waiting.insert(job, Arc::downgrade(&sender));
                sender
            });
        Subscription {
            changes: sender.subscribe(),
            _sender: sender,
        }
    }

    fn notify(&self, job: JobId) {
        if let Some(sender) = self.lock().get(&job).and_then(Weak::upgrade) {
            sender.send_replace(());
        }
    }

    /// Makes every waiting request read its job again.
    fn notify_all(&self) {
        for job in self.awaited() {
            self.notify(job);
        }
    }

    /// The jobs that requests wait for. Forgets the others.
    fn awaited(&self) -> Vec<JobId> {
        let mut waiting = self.lock();
        waiting.retain(|_, sender| sender.strong_count() > 0);
        waiting.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Weak<watch::Sender<()>>>> {
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
    let listener = store.listen(Audience::Apis)?;
    Ok(thread::spawn(move || {
        let mut seen = None;
        while !*stopping.borrow() {
            match listener.receive(BACKSTOP) {
                Some(WakeMessage::Changed(job)) => {
                    watch.notify(job);
                    continue;
                }
                Some(WakeMessage::Missed) => watch.notify_all(),
                Some(WakeMessage::Work | WakeMessage::Cancel(_)) | None => {}
            }
            match ended_since(&store, &watch, &mut seen) {
                Ok(ended) => ended.into_iter().for_each(|job| watch.notify(job)),
                Err(error) => report(&error, "cannot look for jobs that ended"),
            }
        }
    }))
}

fn ended_since(
    store: &Store,
    watch: &JobWatch,
    seen: &mut Option<i64>,
) -> Result<Vec<JobId>, StoreError> {
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

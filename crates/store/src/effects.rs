//! What follows a commit: messages to other processes, and files to delete.

use std::collections::BTreeSet;

use steno_models::JobId;

use crate::signal::message::WakeMessage;
use crate::{ClaimId, Store, StoreError};

/// What an operation leaves to do after its commit.
#[derive(Default)]
pub(crate) struct Effects {
    /// There are tasks to claim.
    pub(crate) work: bool,
    /// Jobs whose clients may wait for the change.
    pub(crate) changed: BTreeSet<JobId>,
    /// Claims whose work has to stop.
    pub(crate) cancelled: Vec<ClaimId>,
    /// There are files on the `gc` list.
    pub(crate) files_to_delete: bool,
}

impl Effects {
    /// Sends and deletes. An error is one after which the process has to end; what was committed stays.
    pub(crate) fn apply(mut self, store: &Store) -> Result<(), StoreError> {
        self.send_messages(store);
        if self.files_to_delete
            && !store.files.is_away()
            && let Err(error) = store.delete_files()
        {
            if error.is_fatal() && !error.is_disk_full() {
                return Err(error);
            }
            // They stay on the list, and the next sweep tries again.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "files of a deleted job are left for the sweep"
            );
        }
        Ok(())
    }

    /// Sends the messages alone. Their receivers look at the store themselves, so a message too many does no harm.
    pub(crate) fn send_messages(&mut self, store: &Store) {
        let work = self.work.then_some(WakeMessage::Work);
        let changed = std::mem::take(&mut self.changed)
            .into_iter()
            .map(WakeMessage::Changed);
        let cancelled = self.cancelled.drain(..).map(WakeMessage::Cancel);
        store
            .signals
            .send(work.into_iter().chain(changed).chain(cancelled));
    }
}

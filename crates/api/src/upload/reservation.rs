//! An upload in progress, counted against the quota of its owner from its beginning. Without this a key could fill the disk
//! with uploads that it never ends.

use std::sync::Arc;

use steno_models::JobId;
use steno_store::Store;

use crate::auth::Owner;
use crate::problem::ApiError;
use crate::state::ApiState;

/// By how much a reservation grows at least, so that an upload of unknown length writes to the database seldom.
const STEP_BYTES: u64 = 4 * 1024 * 1024;

/// The reservation of an upload. Released when it is dropped.
pub(crate) struct Reservation {
    store: Arc<Store>,
    upload: JobId,
    /// `None` while nothing is reserved.
    owner: Option<Owner>,
    bytes: u64,
}

impl Reservation {
    /// None yet.
    pub(super) fn none(state: &ApiState, upload: JobId) -> Self {
        Self {
            store: Arc::clone(&state.store),
            upload,
            owner: None,
            bytes: 0,
        }
    }

    /// Reserves what the client has announced.
    pub(super) async fn begin(
        &mut self,
        state: &ApiState,
        owner: Owner,
        bytes: u64,
    ) -> Result<(), ApiError> {
        self.owner = Some(owner);
        self.reserve(state, bytes).await
    }

    /// Raises the reservation of an upload that has more bytes than it announced.
    pub(super) async fn cover(&mut self, state: &ApiState, received: u64) -> Result<(), ApiError> {
        if self.owner.is_none() || received <= self.bytes {
            return Ok(());
        }
        self.reserve(state, received.max(self.bytes + STEP_BYTES))
            .await
    }

    /// Leaves it to the job that the upload has become.
    pub(crate) fn forget(mut self) {
        self.owner = None;
    }

    async fn reserve(&mut self, state: &ApiState, bytes: u64) -> Result<(), ApiError> {
        let Some(owner) = self.owner.clone() else {
            return Ok(());
        };
        let upload = self.upload;
        let check = state
            .call_store(move |store| {
                store.reserve_upload(owner.name(), owner.quota(), upload, bytes)
            })
            .await?;
        check.into_result().map_err(ApiError::quota_exceeded)?;
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let is_counted = self
            .owner
            .as_ref()
            .is_some_and(|owner| !owner.quota().is_unlimited());
        if !is_counted {
            return;
        }
        let (store, upload) = (Arc::clone(&self.store), self.upload);
        drop(actix_web::rt::task::spawn_blocking(move || {
            // The sweep removes what is left here.
            if let Err(error) = store.release_upload(upload) {
                tracing::warn!(%error, "cannot release the reservation of an upload");
            }
        }));
    }
}

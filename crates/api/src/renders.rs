//! Renderings of results: made on threads that may block, a few at a time, and shared by all who read the same one.
//!
//! A long result takes a second to write and to hash. On an event loop, every other call of that loop would wait; once for
//! each of many readers, their copies would fill the memory.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::available_parallelism;

use actix_web::web::{self, Bytes};
use steno_models::{Format, JobId, JobStatus, Timestamp};
use tokio::sync::Semaphore;

use crate::problem::ApiError;
use crate::static_files::entity_tag;

/// A rendering.
#[derive(Debug)]
pub(crate) struct Rendering {
    pub(crate) bytes: Bytes,
    /// Its entity tag.
    pub(crate) tag: String,
}

/// Which rendering of which job. The JSON form contains when the job was retrieved and when it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RenderingKey {
    job_id: JobId,
    format: &'static str,
    retrieved_ms: Option<i64>,
    deleted_ms: Option<i64>,
}

impl RenderingKey {
    /// Of a completed job in a format.
    pub(crate) fn of(status: &JobStatus, format: Format) -> Self {
        Self {
            job_id: status.job_id,
            format: format.as_str(),
            retrieved_ms: status.retrieved_at.map(Timestamp::ms),
            deleted_ms: status.delete_after.map(Timestamp::ms),
        }
    }
}

/// The renderings that are being read. Each is forgotten with its last reader.
pub(crate) struct Renders {
    shared: Mutex<HashMap<RenderingKey, Weak<Rendering>>>,
    permits: Semaphore,
}

impl Default for Renders {
    fn default() -> Self {
        let threads = available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            shared: Mutex::default(),
            permits: Semaphore::new(threads),
        }
    }
}

impl Renders {
    /// The rendering of a job in a format, by `render` if no other request is reading the same one.
    pub(crate) async fn shared(
        &self,
        key: RenderingKey,
        render: impl FnOnce() -> String + Send + 'static,
    ) -> Result<Arc<Rendering>, ApiError> {
        if let Some(rendering) = self.find(&key) {
            return Ok(rendering);
        }

        let _permit = self.permits.acquire().await;
        // Another reader may have made it meanwhile.
        if let Some(rendering) = self.find(&key) {
            return Ok(rendering);
        }
        let rendering = web::block(move || {
            let bytes = Bytes::from(render());
            let tag = entity_tag(&bytes);
            Arc::new(Rendering { bytes, tag })
        });
        let rendering = rendering.await.map_err(|_| ApiError::stopping())?;

        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, rendering| rendering.strong_count() > 0);
        shared.insert(key, Arc::downgrade(&rendering));
        Ok(rendering)
    }

    /// A rendering for one reader alone.
    pub(crate) async fn own(
        &self,
        render: impl FnOnce() -> String + Send + 'static,
    ) -> Result<Bytes, ApiError> {
        let _permit = self.permits.acquire().await;
        let rendered = web::block(render).await;
        rendered.map(Bytes::from).map_err(|_| ApiError::stopping())
    }

    fn find(&self, key: &RenderingKey) -> Option<Arc<Rendering>> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.get(key).and_then(Weak::upgrade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> RenderingKey {
        RenderingKey {
            job_id: JobId::random(),
            format: "json",
            retrieved_ms: None,
            deleted_ms: None,
        }
    }

    #[actix_web::test]
    async fn readers_of_the_same_rendering_share_its_bytes() {
        let (renders, key) = (Renders::default(), key());
        let first = renders.shared(key, || "text".to_owned()).await.unwrap();
        let second = renders
            .shared(key, || panic!("rendered twice"))
            .await
            .unwrap();
        assert!(Arc::ptr_eq(&first, &second));

        drop((first, second));
        let again = renders.shared(key, || "new".to_owned()).await.unwrap();
        assert_eq!(again.bytes, "new", "nothing is kept without readers");
    }
}

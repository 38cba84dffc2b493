//! A body that knows when its client has received it: that is what counts as retrieval.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::HttpRequest;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::{self, Bytes};
use steno_models::{JobId, JobStatus};
use steno_store::Now;

use crate::connection::Connection;
use crate::receipt::{Outcome, Receipt};
use crate::renders::Rendering;
use crate::slices::SLICE_BYTES;
use crate::state::{ApiState, report};

/// A body that calls `on_delivered` once its client has received it, and only then ends. A connection that ends
/// earlier drops it without the call. The client does not wait: it knows the length, and has everything.
struct RetrievalBody<F> {
    remainder: Bytes,
    receipt: Receipt,
    on_delivered: Option<F>,
}

impl<F: FnOnce()> RetrievalBody<F> {
    fn new(body: impl Into<Bytes>, receipt: Receipt, on_delivered: F) -> Self {
        Self {
            remainder: body.into(),
            receipt,
            on_delivered: Some(on_delivered),
        }
    }
}

impl<F: FnOnce() + Unpin> MessageBody for RetrievalBody<F> {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.remainder.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if !self.remainder.is_empty() {
            let length = self.remainder.len().min(SLICE_BYTES);
            return Poll::Ready(Some(Ok(self.remainder.split_to(length))));
        }
        if self.on_delivered.is_none() {
            return Poll::Ready(None);
        }
        match ready!(self.receipt.poll(context)) {
            Outcome::Received => {
                if let Some(on_delivered) = self.on_delivered.take() {
                    on_delivered();
                }
                Poll::Ready(None)
            }
            // actix lets go of the connection then.
            Outcome::Lost => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
        }
    }
}

/// The delivery of a job's result.
pub(crate) struct Delivery {
    pub(crate) state: web::Data<ApiState>,
    pub(crate) job_id: JobId,
    connection: Connection,
    /// When it began. The grace period is counted from here.
    began: Now,
}

impl Delivery {
    /// Of the answer to `request`, which begins now.
    pub(crate) fn new(request: &HttpRequest, state: web::Data<ApiState>, job_id: JobId) -> Self {
        Self {
            connection: Connection::of(request),
            job_id,
            began: state.now(),
            state,
        }
    }

    /// Writes into a status what its own delivery makes of it, so that a repeated call inside the grace period answers
    /// the same bytes.
    pub(crate) fn announce(&self, status: &mut JobStatus) {
        if status.retrieved_at.is_none() {
            let settings = self.state.store.settings();
            let grace_end = settings.grace_end(self.began.wall, self.began.wall);
            status.retrieved_at = Some(self.began.wall);
            status.delete_after = Some(grace_end.min(status.ttl_deadline));
        }
    }

    /// The body of an answer, whose receipt is the retrieval.
    pub(crate) fn body(self, body: Bytes) -> BoxBody {
        let receipt = Receipt::new(self.connection.clone());
        BoxBody::new(RetrievalBody::new(body, receipt, move || self.mark()))
    }

    /// The same for a rendering that others may be reading.
    pub(crate) fn shared_body(self, rendering: Arc<Rendering>) -> BoxBody {
        let receipt = Receipt::new(self.connection.clone());
        let bytes = rendering.bytes.clone();
        BoxBody::new(RetrievalBody::new(bytes, receipt, move || {
            drop(rendering);
            self.mark();
        }))
    }

    /// Notes the retrieval once what was streamed so far has arrived. For a stream: its delivery begins where it ends.
    pub(crate) async fn mark_at_arrival(&mut self) {
        self.began = self.state.now();
        if Receipt::new(self.connection.clone()).arrival().await == Outcome::Received {
            self.mark();
        }
    }

    /// Notes the retrieval. Returns at once: it is called where nothing may block.
    fn mark(&self) {
        let (state, began, job_id) = (self.state.clone(), self.began.wall, self.job_id);
        drop(actix_web::rt::task::spawn_blocking(move || {
            match state.store.mark_retrieved(state.now(), began, job_id) {
                Ok(()) => tracing::info!(job.id = %job_id, "delivered the result of job {job_id}"),
                Err(error) => report(
                    &error,
                    &format!("cannot note the retrieval of job {job_id}"),
                ),
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::task::Waker;

    use super::*;

    fn unknown_receipt() -> Receipt {
        Receipt::new(Connection::default())
    }

    #[test]
    fn only_the_final_poll_counts_as_delivery() {
        let delivered = Cell::new(0);
        let body = vec![7; SLICE_BYTES * 2 + 1];
        let mut body = RetrievalBody::new(body, unknown_receipt(), || {
            delivered.set(delivered.get() + 1);
        });
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(matches!(
                Pin::new(&mut body).poll_next(&mut context),
                Poll::Ready(Some(Ok(_)))
            ));
            assert_eq!(delivered.get(), 0);
        }
        for _ in 0..2 {
            assert!(matches!(
                Pin::new(&mut body).poll_next(&mut context),
                Poll::Ready(None)
            ));
            assert_eq!(delivered.get(), 1);
        }
    }

    #[test]
    fn a_body_that_is_dropped_half_way_was_not_delivered() {
        let delivered = Cell::new(false);
        let mut body = RetrievalBody::new(vec![7; SLICE_BYTES * 2], unknown_receipt(), || {
            delivered.set(true);
        });
        let _ = Pin::new(&mut body).poll_next(&mut Context::from_waker(Waker::noop()));
        drop(body);
        assert!(!delivered.get());
    }
}

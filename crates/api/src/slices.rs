//! A body in memory that is handed over in slices.
//!
//! actix copies what a body yields into the buffer of the connection, and asks for more when there is room. A body that is
//! yielded whole is copied whole for every slow reader.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;

/// Bytes handed over at a time, so that a slow reader is noticed before the end.
pub(crate) const SLICE_BYTES: usize = 64 * 1024;

/// A body whose bytes are shared with other answers.
pub(crate) struct Slices<T> {
    remainder: Bytes,
    /// What the bytes belong to; it lives as long as they are sent.
    _owner: Option<Arc<T>>,
}

impl Slices<()> {
    /// A body of its own.
    pub(crate) fn new(body: Bytes) -> Self {
        Self {
            remainder: body,
            _owner: None,
        }
    }
}

impl<T> Slices<T> {
    /// A body that belongs to `owner`.
    pub(crate) fn of(body: Bytes, owner: Arc<T>) -> Self {
        Self {
            remainder: body,
            _owner: Some(owner),
        }
    }
}

impl<T> MessageBody for Slices<T> {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.remainder.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.remainder.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.remainder.len().min(SLICE_BYTES);
        Poll::Ready(Some(Ok(self.remainder.split_to(length))))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_body_is_yielded_in_slices_that_share_its_bytes() {
        let bytes = Bytes::from(vec![7; SLICE_BYTES * 2 + 1]);
        let mut body = Slices::new(bytes.clone());
        let mut context = Context::from_waker(Waker::noop());
        let mut yielded = 0;
        while let Poll::Ready(Some(Ok(slice))) = Pin::new(&mut body).poll_next(&mut context) {
            assert!(slice.len() <= SLICE_BYTES);
            assert_eq!(slice.as_ptr(), bytes[yielded..].as_ptr());
            yielded += slice.len();
        }
        assert_eq!(yielded, bytes.len());
    }
}

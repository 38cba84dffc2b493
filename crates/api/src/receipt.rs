//! Whether a client has received an answer: its kernel has acknowledged every byte, and the connection was
//! not reset afterwards, as it is when a program ends with unread bytes.
//!
//! Used by [`retrieval`](crate::retrieval). Asks the kernel again and again while the answer is in flight.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::rt::time::{Sleep, sleep};

use crate::connection::Connection;
use crate::tcp::Stage;

/// First pause between two checks; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// Required checks with an empty send queue: before the second, actix has passed on its own buffer.
const EMPTY_LOOKS: u32 = 2;
/// How long a connection on which nothing more happens may still be reset.
const SETTLE: Duration = Duration::from_millis(500);

/// How a wait for a receipt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The answer has arrived, and the client has kept it.
    Received,
    /// The client has thrown it away.
    Lost,
}

/// Waits for the receipt of what was written to a connection.
pub(crate) struct Receipt {
    connection: Connection,
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    empty_looks: u32,
    /// When the queue was first seen empty, and what had come in by then.
    arrived: Option<(Instant, u64)>,
}

impl Receipt {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            pause: FIRST_PAUSE,
            sleep: None,
            empty_looks: 0,
            arrived: None,
        }
    }

    /// Ready once it is known whether the client has the answer.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Outcome> {
        loop {
            if let Some(outcome) = self.look(SETTLE) {
                return Poll::Ready(outcome);
            }
            let pause = self.pause;
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(pause)));
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The same for an answer that has not ended: its client waits for the end, so that a reset which comes later is
    /// not waited for.
    pub(crate) async fn arrival(mut self) -> Outcome {
        loop {
            if let Some(outcome) = self.look(Duration::ZERO) {
                return outcome;
            }
            sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The outcome, if it is known. A connection on which nothing happens for `settle` after the answer has arrived
    /// counts as received.
    fn look(&mut self, settle: Duration) -> Option<Outcome> {
        // Without a handle of the socket nothing can be known: handed over is as good as received.
        let Some(info) = self.connection.info() else {
            return Some(Outcome::Received);
        };
        if info.stage == Stage::Dead {
            return Some(Outcome::Lost);
        }
        if self.connection.unacknowledged_bytes() > 0 {
            self.empty_looks = 0;
            return None;
        }

        self.empty_looks += 1;
        let (since, received) = *self
            .arrived
            .get_or_insert((Instant::now(), info.received_bytes));
        if self.empty_looks < EMPTY_LOOKS {
            return None;
        }
        // A next call shows that the answer was read, and so does an end in order: a client that ends with unread
        // bytes resets the connection.
        let is_done = info.stage == Stage::ClosedByClient || info.received_bytes > received;
        (is_done || since.elapsed() >= settle).then_some(Outcome::Received)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn where_nothing_can_be_known_handed_over_is_received() {
        let mut receipt = Receipt::new(Connection::default());
        assert_eq!(
            receipt.poll(&mut Context::from_waker(Waker::noop())),
            Poll::Ready(Outcome::Received)
        );
    }
}

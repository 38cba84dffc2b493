//! How slowly an upload may come: a client that stops, or sends a byte now and then, must not hold a connection and a file.

use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt as _};
use steno_models::ProblemCode;

use crate::Config;
use crate::problem::ApiError;

/// Watches over one upload.
pub(super) struct Pace {
    /// Longest pause, and the length of a window.
    patience: Duration,
    /// Bytes a second that each window has to bring on average. A client that sent much at first may not trickle later.
    min_rate: u64,
    /// When the window began.
    began: Instant,
    /// Bytes of the window.
    in_window: u64,
    received: u64,
}

impl Pace {
    pub(super) fn new(config: &Config) -> Self {
        let (patience, min_rate) = (config.upload_chunk_timeout, config.upload_min_rate);
        Self {
            patience,
            min_rate,
            began: Instant::now(),
            in_window: 0,
            received: 0,
        }
    }

    /// Waits for the next item of a stream, at most as long as the settings allow.
    pub(super) async fn next<S: Stream + Unpin>(
        &self,
        stream: &mut S,
    ) -> Result<Option<S::Item>, ApiError> {
        tokio::time::timeout(self.patience, stream.next()).await.map_err(|_| {
            let seconds = self.patience.as_secs();
            too_slow(format!(
                "nothing came for {seconds} seconds (STENO_UPLOAD_CHUNK_TIMEOUT); send the recording again"
            ))
        })
    }

    /// Counts bytes, and returns how many have come in all. An error if a window has brought too few.
    pub(super) fn note(&mut self, bytes: usize) -> Result<u64, ApiError> {
        self.received += bytes as u64;
        self.in_window += bytes as u64;
        let elapsed = self.began.elapsed();
        if elapsed <= self.patience {
            return Ok(self.received);
        }

        let seconds = elapsed.as_secs();
        if self.in_window < self.min_rate.saturating_mul(seconds) {
            let (received, rate) = (self.in_window, self.min_rate);
            return Err(too_slow(format!(
                "{received} bytes came in the last {seconds} seconds, fewer than {rate} a second (STENO_UPLOAD_MIN_RATE); \
                 record first, then send"
            )));
        }
        self.began = Instant::now();
        self.in_window = 0;
        Ok(self.received)
    }
}

fn too_slow(detail: String) -> ApiError {
    ApiError::new(ProblemCode::RequestTimeout, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_too_slow_once_patience_is_over() {
        let mut pace = Pace {
            patience: Duration::from_secs(30),
            min_rate: 500,
            began: long_ago(),
            in_window: 0,
            received: 0,
        };
        assert!(pace.note(10_000).is_err());
        assert!(pace.note(50_000).is_ok());
        assert!(pace.note(1).is_ok(), "a new window has begun");
        pace.began = long_ago();
        assert!(
            pace.note(10_000).is_err(),
            "what came earlier does not count"
        );
    }

    fn long_ago() -> Instant {
        Instant::now()
            .checked_sub(Duration::from_secs(100))
            .unwrap()
    }
}

//! How slowly an upload may come: a client that stops, or sends a byte now and then, must not hold a connection and a file.

use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt as _};
use steno_models::ProblemCode;

use crate::Config;
use crate::problem::ApiError;

/// Watches over one upload.
pub(super) struct Pace {
    /// Longest pause, and the time after which the rate counts.
    patience: Duration,
    /// Bytes a second, on average.
    min_rate: u64,
    began: Instant,
    received: u64,
}

impl Pace {
    pub(super) fn new(config: &Config) -> Self {
        let (patience, min_rate) = (config.upload_chunk_timeout, config.upload_min_rate);
        Self {
            patience,
            min_rate,
            began: Instant::now(),
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

    /// Counts bytes that came, and yields how many there are by now. An error if they come too slowly.
    pub(super) fn note(&mut self, bytes: usize) -> Result<u64, ApiError> {
        self.received += bytes as u64;
        let elapsed = self.began.elapsed();
        if elapsed > self.patience
            && self.received < self.min_rate.saturating_mul(elapsed.as_secs())
        {
            let (received, seconds, rate) = (self.received, elapsed.as_secs(), self.min_rate);
            return Err(too_slow(format!(
                "{received} bytes came in {seconds} seconds, fewer than {rate} a second (STENO_UPLOAD_MIN_RATE); record \
                 first, then send"
            )));
        }
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
        let began = Instant::now()
            .checked_sub(Duration::from_secs(100))
            .unwrap();
        let mut pace = Pace {
            patience: Duration::from_secs(30),
            min_rate: 500,
            began,
            received: 0,
        };
        assert!(pace.note(10_000).is_err());
        assert!(pace.note(50_000).is_ok());
        pace.began = Instant::now();
        pace.received = 0;
        assert!(pace.note(1).is_ok(), "not before");
    }
}

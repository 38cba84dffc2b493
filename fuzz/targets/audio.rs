//! Arbitrary bytes as a recording: decoding ends in bounded time, with valid samples or an error.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use steno_worker::audio::{AudioError, Control, Limits, TrackChoice, prepare, read_span};

struct GoOn;

impl Control for GoOn {
    fn should_stop(&self) -> bool {
        false
    }
}

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let (input, spool) = (folder.path().join("input"), folder.path().join("spool"));
    std::fs::write(&input, bytes).unwrap();
    // A small limit, so that many inputs are tried.
    let limits = Limits {
        max_seconds: 3,
        max_cpu: Duration::from_secs(5),
        ..Limits::default()
    };
    match prepare(&input, &spool, &limits, TrackChoice::asked(None), &GoOn) {
        Ok(recording) => {
            assert!(recording.duration_ms <= 3_000);
            for span in &recording.spans {
                let samples = read_span(&spool, span).unwrap();
                assert!(
                    samples
                        .iter()
                        .all(|sample| sample.is_finite() && sample.abs() <= 1.0)
                );
            }
        }
        Err(error) => {
            assert!(
                !matches!(
                    error,
                    AudioError::Stopped | AudioError::Input(_) | AudioError::Spool(_)
                ),
                "{error:?}"
            )
        }
    }
});

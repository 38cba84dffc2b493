//! The whole crate with the real networks, which are pulled at first need.
#![cfg(test)]

use std::fs;
use std::sync::LazyLock;

use steno_speakers::{Bounds, Diarizer, Networks, SpeakersError, Turn, score};
use steno_weights::{Cache, pull_speakers};

static NETWORKS: LazyLock<Networks> = LazyLock::new(|| {
    let cache = Cache::from_env().unwrap();
    pull_speakers(&cache, &mut |_| ()).unwrap();
    let weights = cache.open_verified_speakers().unwrap();
    Networks::from_bytes(&fs::read(weights.path()).unwrap()).unwrap()
});

fn turns(samples: &[f32]) -> Vec<Turn> {
    let mut read = |from: usize, buffer: &mut [f32]| {
        buffer.copy_from_slice(&samples[from..from + buffer.len()]);
        Ok(())
    };
    let diarizer = Diarizer::new(&NETWORKS, Bounds::default());
    diarizer
        .speakers(samples.len(), &mut read, &mut |_| true)
        .unwrap()
        .turns
}

/// Evenly spread numbers from -1 to 1, the same at every run.
fn noise(count: usize) -> Vec<f32> {
    let mut state = 1_u32;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

#[test]
fn silence_has_no_speaker() {
    assert_eq!(turns(&vec![0.0; 400_000]), []);
}

#[test]
fn recordings_of_every_length_are_read_within_their_ends() {
    for length in [0, 1, 100, 399, 401, 16_000, 159_999, 160_001, 240_123] {
        for turn in turns(&noise(length)) {
            assert!(turn.end <= length as u64);
        }
    }
}

#[test]
fn samples_that_are_no_numbers_have_no_speaker() {
    let mut samples = noise(200_000);
    samples[1000..150_000].fill(f32::NAN);
    samples[160_000] = f32::INFINITY;
    assert_eq!(turns(&samples), []);
}

#[test]
fn a_caller_can_stop_between_windows() {
    let diarizer = Diarizer::new(&NETWORKS, Bounds::default());
    let mut calls = 0;
    let mut read = |_: usize, buffer: &mut [f32]| {
        buffer.fill(0.0);
        Ok(())
    };
    let stopped = diarizer.speakers(1_600_000, &mut read, &mut |_| {
        calls += 1;
        calls < 3
    });
    assert!(matches!(stopped, Err(SpeakersError::Cancelled)));
    assert_eq!(calls, 3);
}

#[test]
fn a_file_that_lacks_a_tensor_is_refused_by_name() {
    let empty = safetensors::serialize(
        Vec::<(String, safetensors::tensor::TensorView<'_>)>::new(),
        None,
    );
    let error = Networks::from_bytes(&empty.unwrap()).err().unwrap();
    assert!(error.to_string().contains("segmentation."), "{error}");
}

#[test]
fn the_error_rate_counts_what_is_missed_false_and_confused() {
    let turn = |start: u64, end: u64, speaker| Turn {
        start: start * 16_000,
        end: end * 16_000,
        speaker,
    };
    let reference = [turn(0, 10, 0), turn(10, 20, 1)];
    // The numbers of speakers mean nothing; 2 s are confused, 1 s is missed and 3 s are false.
    let found = [turn(0, 8, 5), turn(8, 19, 3), turn(20, 23, 5)];
    let errors = score(&reference, &found, 30 * 16_000, 0.0);
    let expected = [
        (errors.confused, 2.0),
        (errors.missed, 1.0),
        (errors.false_alarm, 3.0),
        (errors.total, 20.0),
    ];
    for (found, expected) in expected {
        assert!((found - expected).abs() < 0.02, "{errors:?}");
    }
}

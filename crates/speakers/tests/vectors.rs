//! The networks on inputs that formulas make: their outputs are compared with torch's, which are in `vectors/vectors.txt`, and
//! damaged weights are an error.
#![cfg(test)]

use std::fs;

use safetensors::SafeTensors;
use steno_speakers::{BANDS, Bounds, CLASSES, Diarizer, Networks, SpeakersError, WINDOW_SAMPLES};
use steno_weights::{Cache, pull_speakers};

/// Written by `vectors/make.py`.
const VECTORS: &str = include_str!("vectors/vectors.txt");
const FEATURE_FRAMES: usize = 150;
/// Of the segmentation's frames, so many are in the file: every tenth.
const KEPT_FRAMES: usize = 10;
/// Most that a number may differ.
const TOLERANCE: f32 = 1e-3;

fn weights() -> Vec<u8> {
    let cache = Cache::from_env().unwrap();
    pull_speakers(&cache, &mut |_| ()).unwrap();
    let weights = cache.open_verified_speakers().unwrap();
    fs::read(weights.path()).unwrap()
}

/// A triangle from -1 to 1 in whole numbers, so that every language computes the same.
fn triangle(index: usize, step: usize, period: usize) -> f64 {
    let place = (index * step % period) as i64;
    let period = period as i64;
    (place * 4 - period * 2).abs() as f64 / period as f64 - 1.0
}

/// Two sounds with harmonics that take turns, each a second.
fn window() -> Vec<f32> {
    let sample = |index: usize| {
        let step = if (index / 16_000).is_multiple_of(2) {
            130
        } else {
            211
        };
        let loud = triangle(index, 5, 16_000);
        let harmonics = [1, 2, 3, 5, 8];
        let sound: f64 = harmonics
            .iter()
            .map(|times| triangle(index, step * times, 16_000) / *times as f64)
            .sum();
        (sound * loud * 0.2) as f32
    };
    (0..WINDOW_SAMPLES).map(sample).collect()
}

/// The same with sound at every frequency, because the segmentation would amplify rounding errors otherwise.
fn noisy_window() -> Vec<f32> {
    let noise = |index: usize| triangle(index * index, 7, 15_991) * 0.03;
    let samples = window().into_iter().enumerate();
    samples
        .map(|(index, sample)| sample + noise(index) as f32)
        .collect()
}

fn features() -> Vec<f32> {
    let places = (0..FEATURE_FRAMES).flat_map(|frame| (0..BANDS).map(move |band| (frame, band)));
    places
        .map(|(frame, band)| 2.0 * triangle(frame * 7 + band * 13, 3 + band % 5, 97) as f32)
        .collect()
}

/// What torch gives for a network.
fn expected(network: &str) -> Vec<f32> {
    let line = VECTORS.lines().find_map(|line| line.strip_prefix(network));
    let numbers = line.unwrap().split_whitespace().map(str::parse);
    numbers.collect::<Result<_, _>>().unwrap()
}

fn assert_near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= TOLERANCE, "{found} {expected}");
    }
}

#[test]
fn the_embedding_has_the_numbers_of_torch() {
    let networks = Networks::from_bytes(&weights()).unwrap();

    let embedding = networks.embedder.embed_features(&features());
    assert_near(&embedding, &expected("embedding"));
}

#[test]
fn the_segmentation_has_the_numbers_of_torch() {
    let networks = Networks::from_bytes(&weights()).unwrap();

    let frames = networks.segmentation.classify(&noisy_window());
    let kept: Vec<f32> = frames
        .chunks_exact(CLASSES)
        .step_by(KEPT_FRAMES)
        .flatten()
        .copied()
        .collect();
    assert_near(&kept, &expected("segmentation"));
}

#[test]
fn clips_of_every_length_have_one_speaker_or_none_and_are_no_error() {
    let networks = Networks::from_bytes(&weights()).unwrap();
    let speech = window();
    let mut read = |from: usize, buffer: &mut [f32]| {
        buffer.copy_from_slice(&speech[from..from + buffer.len()]);
        Ok(())
    };
    let diarizer = Diarizer::new(&networks, Bounds::default());
    for samples in (0..12_000).step_by(270) {
        let found = diarizer.speakers(samples, &mut read, &mut |_| true);
        let turns = found.unwrap().turns;
        assert!(turns.iter().all(|turn| turn.speaker == 0), "{turns:?}");
    }
}

#[test]
fn networks_that_give_no_numbers_are_an_error_and_no_speaker() {
    let mut bytes = weights();
    let damaged = {
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = file
            .tensor("embedding.xvector.dense.linear.weight")
            .unwrap();
        tensor.data().as_ptr() as usize - bytes.as_ptr() as usize
    };
    bytes[damaged..damaged + 4].copy_from_slice(&f32::NAN.to_le_bytes());

    let speech = window();
    let mut read = |from: usize, buffer: &mut [f32]| {
        buffer.copy_from_slice(&speech[from..from + buffer.len()]);
        Ok(())
    };
    let mut look = |bytes: &[u8]| {
        let networks = Networks::from_bytes(bytes).unwrap();
        Diarizer::new(&networks, Bounds::default())
            .speakers(WINDOW_SAMPLES, &mut read, &mut |_| true)
    };
    assert!(!look(&weights()).unwrap().turns.is_empty());
    assert!(matches!(look(&bytes), Err(SpeakersError::NoNumbers)));
}

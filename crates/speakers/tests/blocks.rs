//! Labels do not depend on how a recording is cut into blocks.
#![cfg(test)]

use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::Path;

use steno_speakers::{BlockVoices, Bounds, Diarizer, Networks, Speakers, Voices};
use steno_weights::{Cache, pull_speakers};

#[expect(dead_code, reason = "the benchmark also reads turns and folders")]
#[path = "../examples/speakers-bench/recording.rs"]
mod recording;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn networks() -> Networks {
    let cache = Cache::from_env().unwrap();
    pull_speakers(&cache, &mut |_| ()).unwrap();
    let weights = cache.open_verified_speakers().unwrap();
    Networks::from_bytes(&fs::read(weights.path()).unwrap()).unwrap()
}

/// The samples of a fixture.
fn fixture(name: &str) -> Vec<f32> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    recording::decode(&folder.join(name)).unwrap()
}

/// Another voice: the same speech, slower and deeper by a third.
fn deeper(samples: &[f32]) -> Vec<f32> {
    let stretched = (0..samples.len() * 4 / 3 - 4).map(|at| {
        let place = at as f32 * 0.75;
        let left = place as usize;
        let share = place - left as f32;
        samples[left] * (1.0 - share) + samples[left + 1] * share
    });
    stretched.collect()
}

/// A minute in which two voices take turns.
fn conversation() -> Vec<f32> {
    let speech = fixture("sample.flac");
    let pause = vec![0.0; 6000];
    let turns = [speech.clone(), pause.clone(), deeper(&speech), pause].concat();
    turns.repeat(3)
}

fn find(networks: &Networks, samples: &[f32], block: &Range<usize>) -> BlockVoices {
    let mut read = |from: usize, buffer: &mut [f32]| {
        buffer.copy_from_slice(&samples[from..from + buffer.len()]);
        Ok(())
    };
    let found = networks.find_voices(samples.len(), block, &mut read, &mut |_| true);
    found.unwrap()
}

/// The speakers of a recording that is cut at these samples.
fn speakers(networks: &Networks, samples: &[f32], known: &[Vec<f32>], cuts: &[usize]) -> Speakers {
    let edges: Vec<usize> = [&[0], cuts, &[samples.len()]].concat();
    let mut voices = Voices::new(samples.len());
    for edge in edges.windows(2) {
        let block = edge[0]..edge[1];
        // As another process reads it.
        let bytes = find(networks, samples, &block).into_bytes();
        voices.add(&block, &BlockVoices::from_bytes(bytes)).unwrap();
    }
    let diarizer = Diarizer::new(networks, Bounds::default()).with_known(known);
    diarizer.label(&voices, &mut || true).unwrap()
}

#[test]
fn every_cut_into_blocks_gives_the_same_speakers() {
    let networks = networks();
    let samples = conversation();
    let known = [fixture("clip.flac")];

    let mut read = |from: usize, buffer: &mut [f32]| {
        buffer.copy_from_slice(&samples[from..from + buffer.len()]);
        Ok(())
    };
    let diarizer = Diarizer::new(&networks, Bounds::default()).with_known(&known);
    let whole = diarizer
        .speakers(samples.len(), &mut read, &mut |_| true)
        .unwrap();
    let count = whole.turns.iter().map(|turn| turn.speaker).max();
    assert!(count > Some(0) && whole.turns.len() > 6, "{whole:?}");
    assert!(whole.known[0].is_some());

    let second = 16_000;
    let in_seconds: Vec<usize> = (1..samples.len() / second).map(|at| at * second).collect();
    for cuts in [
        &[][..],
        &[1],
        &[samples.len() - 1],
        &[300_001, 300_002, 700_000],
        &in_seconds,
    ] {
        let cut = speakers(&networks, &samples, &known, cuts);
        assert_eq!(cut, whole, "cut at {cuts:?}");
    }
}

#[test]
fn blocks_that_are_missing_or_in_another_order_are_an_error() {
    let networks = networks();
    let samples = &conversation()[..500_000];
    let blocks = [0..200_000, 200_000..500_000];
    let found = blocks.clone().map(|block| find(&networks, samples, &block));

    let mut voices = Voices::new(samples.len());
    assert!(voices.add(&blocks[1], &found[1]).is_err());
    assert!(voices.add(&blocks[0], &found[1]).is_err());
    let diarizer = Diarizer::new(&networks, Bounds::default());
    assert!(diarizer.label(&voices, &mut || true).is_err());

    voices.add(&blocks[0], &found[0]).unwrap();
    assert!(diarizer.label(&voices, &mut || true).is_err());
    voices.add(&blocks[1], &found[1]).unwrap();
    assert!(
        !diarizer
            .label(&voices, &mut || true)
            .unwrap()
            .turns
            .is_empty()
    );
}

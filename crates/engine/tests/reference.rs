//! Compares the engine with whisper.cpp, on a small model with random weights and on `base` with speech.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use steno_engine::{Model, Precision, Token};
use steno_weights::Cache;
use support::Sizes;
use whisper_rs::{WhisperContext, WhisperContextParameters, WhisperState};

/// Encoder frames of a whole window, which whisper.cpp's `encode` works on.
const WINDOW: usize = 1_500;

fn whisper_cpp(path: &Path) -> WhisperContext {
    whisper_rs::install_logging_hooks();
    let mut parameters = WhisperContextParameters::default();
    parameters.use_gpu(false).flash_attn(false);
    WhisperContext::new_with_params(path, parameters).unwrap()
}

fn encoded(context: &WhisperContext, samples: &[f32]) -> WhisperState {
    let mut state = context.create_state().unwrap();
    state.pcm_to_mel(samples, 1).unwrap();
    state.encode(0, 1).unwrap();
    state
}

/// The largest distance of a logit after `tokens`, and the spread of the logits.
fn distance(state: &mut WhisperState, model: &Model, samples: &[f32], tokens: &[Token]) -> f32 {
    // One by one: of many tokens, whisper-rs returns the logits of the first.
    for (at, token) in tokens.iter().enumerate() {
        state.decode(&[*token as i32], at, 1).unwrap();
    }
    let expected = &state.get_logits().unwrap()[..model.vocabulary().size()];
    let found = model.logits(samples, WINDOW, tokens);

    assert_eq!(found.len(), expected.len());
    let distances = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    distances.fold(0.0, f32::max)
}

#[test]
fn a_small_model_has_the_logits_of_whisper_cpp() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.bin");
    support::write_weights(&path, Sizes::SMALL, 1);
    let samples = support::sound(3.0, 2);
    let mut state = encoded(&whisper_cpp(&path), &samples);

    let tokens = [50_258, 50_259, 50_359, 50_364, 17, 4_000];
    for (precision, bound) in [(Precision::F32, 0.02), (Precision::Int8, 0.4)] {
        let model = Model::open(&path, precision).unwrap();
        for length in [1, 3, tokens.len()] {
            let found = distance(&mut state, &model, &samples, &tokens[..length]);
            println!("{precision:?} {length} {found}");
            assert!(
                found < bound,
                "{precision:?}: {found} after {length} tokens"
            );
        }
    }
}

#[test]
fn speech_has_the_logits_of_whisper_cpp() {
    let weights = Cache::from_env().unwrap().open_verified("base").unwrap();
    let samples = clip();
    let mut state = encoded(&whisper_cpp(weights.path()), &samples);

    for (precision, bound) in [(Precision::F32, 0.3), (Precision::Int8, 2.0)] {
        let model = Model::open(weights.path(), precision).unwrap();
        let special = model.vocabulary().special();
        let language = model.vocabulary().language(0).unwrap();
        let mut tokens = vec![special.start, language, special.transcribe];
        tokens.push(special.first_timestamp);
        tokens.extend(model.vocabulary().tokenize(" The weather is fine"));
        for length in [1, 3, tokens.len()] {
            let found = distance(&mut state, &model, &samples, &tokens[..length]);
            println!("{precision:?} {length} {found}");
            assert!(
                found < bound,
                "{precision:?}: {found} after {length} tokens"
            );
        }
    }
}

/// A sentence, read by a synthesiser.
fn clip() -> Vec<f32> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/clip.wav");
    let bytes = fs::read(path).unwrap();
    // The header of this file has 44 bytes.
    bytes[44..]
        .chunks_exact(2)
        .map(|sample| f32::from(i16::from_le_bytes([sample[0], sample[1]])) / 32_768.0)
        .collect()
}

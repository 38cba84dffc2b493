//! What spans do to each other when they are decoded together: nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use steno_engine::{Engine, Precision, Request, RunError, Strategy, Transcript, alignment_heads};
use support::Sizes;

const SPANS: usize = 9;

fn engine(threads: usize) -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.bin");
    support::write_weights(&path, Sizes::SMALL, 1);
    Engine::open(&path, Precision::Int8, threads, || {}).unwrap()
}

/// A request of its own for each span: lengths, strategies, prompts and languages differ.
fn request(span: usize, engine: &Engine) -> (Vec<f32>, Request) {
    let samples = support::sound(0.7 + span as f32 * 0.9, span as u64);
    let strategy = match span % 3 {
        0 => Strategy::Greedy,
        1 => Strategy::Sample {
            temperature: 0.4,
            seed: 7,
        },
        _ => Strategy::Beams(3),
    };
    let heads = alignment_heads("synthetic", engine.model().dimensions());
    let request = Request {
        language: span,
        translate: span % 2 == 1,
        prompt: (0..span as u32 * 3).collect(),
        strategy,
        frames: samples.len() / 320 + 64,
        alignment: span.is_multiple_of(4).then(|| Arc::from(heads)),
    };
    (samples, request)
}

fn transcribe(engine: &Engine, span: usize) -> Transcript {
    let (samples, request) = request(span, engine);
    engine.transcribe(&samples, &request, &|| false).unwrap()
}

#[test]
fn a_text_is_the_same_in_any_company() {
    let alone = engine(1);
    let expected: Vec<_> = (0..SPANS).map(|span| transcribe(&alone, span)).collect();
    assert!(
        expected
            .iter()
            .any(|transcript| transcript.tokens.len() > 20)
    );
    let timed = expected[0]
        .tokens
        .iter()
        .filter(|token| token.end.is_some());
    assert!(timed.count() > 0);

    let together = engine(2);
    let barrier = Barrier::new(SPANS);
    let found: Vec<_> = thread::scope(|scope| {
        let spans = (0..SPANS).map(|span| {
            let (together, barrier) = (&together, &barrier);
            scope.spawn(move || {
                barrier.wait();
                transcribe(together, span)
            })
        });
        let threads: Vec<_> = spans.collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for (span, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "span {span}");
    }
}

#[test]
fn a_seed_decides_what_is_drawn() {
    let engine = engine(1);
    let (samples, request) = request(1, &engine);
    let drawn = |seed| {
        let strategy = Strategy::Sample {
            temperature: 1.0,
            seed,
        };
        let request = Request {
            strategy,
            ..request.clone()
        };
        engine.transcribe(&samples, &request, &|| false).unwrap()
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
}

#[test]
fn a_stopped_span_ends_and_the_others_go_on() {
    let engine = engine(1);
    let expected = transcribe(&engine, 3);
    let asked = AtomicUsize::new(0);
    thread::scope(|scope| {
        let other = scope.spawn(|| transcribe(&engine, 3));
        let (samples, request) = request(8, &engine);
        let stopped = engine.transcribe(&samples, &request, &|| {
            asked.fetch_add(1, Ordering::Relaxed) > 1
        });
        assert_eq!(stopped, Err(RunError::Stopped));
        assert_eq!(other.join().unwrap(), expected);
    });
    assert_eq!(transcribe(&engine, 3), expected);
}

#[test]
fn the_first_token_has_probabilities_of_languages() {
    let engine = engine(1);
    let samples = support::sound(2.0, 5);
    let found = engine.first_token(&samples, 200, &|| false).unwrap();
    assert_eq!(found.languages.len(), 99);
    assert!((found.languages.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    assert!((0.0..=1.0).contains(&found.no_speech_probability));
}

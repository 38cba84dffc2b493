//! How long one hour of audio takes: `cargo run --release -p steno-silero --example speed`.

use std::time::Instant;

use steno_silero::{BATCH_FRAMES, Detector, FRAME_SAMPLES};

/// Frames of an hour.
const FRAMES: usize = 3600 * 16_000 / FRAME_SAMPLES;

fn main() {
    let mut detector = Detector::new();
    let mut state = 1_u32;
    let frame = std::array::from_fn(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as f32 / 65_536.0 - 0.5
    });

    let began = Instant::now();
    let frames = vec![frame; BATCH_FRAMES];
    let sum: f32 = (0..FRAMES / frames.len())
        .flat_map(|_| detector.probabilities(&frames))
        .sum();
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{seconds:.2} s, {:.3} % of the audio (sum {sum:.3})",
        seconds / 36.0
    );
}

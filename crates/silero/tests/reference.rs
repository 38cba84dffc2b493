//! The network gives the values that `reference.py` computes from the same weights.

use steno_silero::{Detector, FRAME_SAMPLES};

const CLIP: &[u8] = include_bytes!("../../../tests/fixtures/clip.wav");
const HEADER_BYTES: usize = 44;

#[test]
fn probabilities_equal_those_of_the_reference() {
    let samples: Vec<f32> = CLIP[HEADER_BYTES..]
        .chunks_exact(2)
        .map(|bytes| f32::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32_768.0)
        .collect();

    for line in include_str!("reference.tsv").lines() {
        let (gain, expected) = line.split_once('\t').expect("a gain and probabilities");
        let gain: f32 = gain.parse().expect("a gain");

        let mut detector = Detector::new();
        let mut frames = samples.chunks_exact(FRAME_SAMPLES);
        for (index, expected) in expected.split('\t').enumerate() {
            let mut frame = [0.0; FRAME_SAMPLES];
            for (out, sample) in frame
                .iter_mut()
                .zip(frames.next().expect("a frame for each value"))
            {
                *out = (sample * gain).clamp(-1.0, 1.0);
            }
            let found = detector.probability(&frame);
            let expected: f32 = expected.parse().expect("a probability");
            assert!(
                (found - expected).abs() < 1e-4,
                "gain {gain}, frame {index}: {found}, not {expected}"
            );
        }
    }
}

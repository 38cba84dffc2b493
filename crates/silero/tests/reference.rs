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

        let frames: Vec<[f32; FRAME_SAMPLES]> = samples
            .as_chunks()
            .0
            .iter()
            .map(|frame: &[f32; FRAME_SAMPLES]| {
                frame.map(|sample| (sample * gain).clamp(-1.0, 1.0))
            })
            .collect();
        let found = Detector::new().probabilities(&frames);
        for (index, (expected, found)) in expected.split('\t').zip(&found).enumerate() {
            let expected: f32 = expected.parse().expect("a probability");
            assert!(
                (found - expected).abs() < 1e-4,
                "gain {gain}, frame {index}: {found}, not {expected}"
            );
        }
        assert!(found.len() >= expected.split('\t').count());

        let mut one_by_one = Detector::new();
        let each: Vec<f32> = frames
            .chunks(1)
            .flat_map(|frame| one_by_one.probabilities(frame))
            .collect();
        assert_eq!(found, each, "the batch changes the numbers");
    }
}

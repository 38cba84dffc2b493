//! Labels of a recording that is longer than any fixture, made of voices that formulas give.

use std::ops::Range;

use super::*;
use crate::block_voices::{BlockVoices, EmbeddedPiece, EmbeddedRun, index_range};
use crate::blocks::windows_of;
use crate::embedding::DIMENSIONS;
use crate::runs::{Piece, Run};
use crate::timeline::Window;

const SPEAKERS: usize = 20;
/// Windows after which another speaker goes on.
const TURN_WINDOWS: usize = 3;

/// Evenly spread numbers from -1 to 1, the same at every run.
struct Noise(u32);

impl Noise {
    fn vector(&mut self) -> Vec<f32> {
        let values = (0..DIMENSIONS).map(|_| {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
        });
        unit(values.collect())
    }
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.into_iter().map(|value| value / length).collect()
}

/// The number of the speaker in a window: they take turns.
fn speaker_in(window: usize) -> usize {
    window / TURN_WINDOWS % SPEAKERS
}

/// Runs as long as the windows of a block, with pieces of either size.
fn runs(samples: usize, block: &Range<usize>, voices: &[Vec<f32>]) -> BlockVoices {
    let windows = windows_of(samples, block);
    let mut noise = Noise(block.start as u32);
    let mut embed = |piece: Piece| {
        let voice = voices[speaker_in(piece.window)].iter();
        let vector = unit(
            voice
                .zip(noise.vector())
                .map(|(a, b)| a + 0.8 * b)
                .collect(),
        );
        EmbeddedPiece { piece, vector }
    };
    let mut run = |(index, window): &(usize, Window)| {
        let run = Run {
            window: *index,
            speakers: 1,
            from: window.from,
            to: window.to,
        };
        let coarse = run.pieces().into_iter().map(&mut embed).collect();
        if index.is_multiple_of(2) {
            return EmbeddedRun {
                run,
                labelled: coarse,
                founding: None,
            };
        }
        EmbeddedRun {
            run,
            labelled: run.fine_pieces().into_iter().map(&mut embed).collect(),
            founding: index.is_multiple_of(3).then_some(coarse),
        }
    };
    let runs: Vec<EmbeddedRun> = windows.iter().map(&mut run).collect();
    BlockVoices::encode(index_range(&windows), &runs)
}

#[test]
fn twelve_hours_with_twenty_speakers_are_labelled() {
    let samples = 12 * 3600 * 16_000;
    let mut noise = Noise(1);
    let people: Vec<Vec<f32>> = (0..SPEAKERS).map(|_| noise.vector()).collect();
    let mut voices = Voices::new(samples);
    for block in blocks(samples) {
        voices.add(&block, &runs(samples, &block, &people)).unwrap();
    }
    assert!(voices.labelled.len() > 30_000);

    let found = label(&voices, Bounds::default(), &[], &mut || true).unwrap();
    let windows = windows_of(samples, &(0..samples));
    assert_eq!(found.turns.len(), windows.len().div_ceil(TURN_WINDOWS));
    for (index, turn) in found.turns.iter().enumerate() {
        assert_eq!(turn.speaker, index % SPEAKERS, "turn {index}");
    }
}

//! Runs: stretches in which the same local speakers of the same window speak; and the pieces of one
//! voice that are embedded.

use crate::timeline::{FRAME_SAMPLES, Window};

/// Frames of 2 s: what a piece should have.
const PIECE_FRAMES: usize = 119;
/// Frames of 1.5 s, and of half of it: pieces where voices may change within a run.
const FINE_FRAMES: usize = 89;
const FINE_HOP: usize = 44;
/// Frames of 0.3 s: shorter runs say nothing about their voice.
const SHORTEST_FRAMES: usize = 18;

/// A stretch with the same local speakers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Index of the window.
    pub(crate) window: usize,
    /// Its local speakers, as bits; at least one.
    pub(crate) speakers: u8,
    /// First frame.
    pub(crate) from: usize,
    /// First frame after it.
    pub(crate) to: usize,
}

/// A part of a run with one voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Index of the window.
    pub(crate) window: usize,
    /// Its local speaker, as a bit.
    pub(crate) speaker: u8,
    /// The frames that get its speaker.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The frames that are embedded: these and some around them.
    pub(crate) wide_from: usize,
    pub(crate) wide_to: usize,
}

impl Piece {
    /// Length of what is embedded, in seconds.
    pub(crate) fn wide_seconds(&self) -> f32 {
        seconds(self.wide_to - self.wide_from)
    }

    /// Length of what gets its speaker, in seconds.
    pub(crate) fn seconds(&self) -> f32 {
        seconds(self.to - self.from)
    }
}

fn seconds(frames: usize) -> f32 {
    (frames * FRAME_SAMPLES) as f32 / 16_000.0
}

impl Run {
    /// Whether it is so short that it has one voice.
    pub(crate) fn is_short(&self) -> bool {
        self.to - self.from <= FINE_FRAMES
    }

    /// Whether one voice speaks alone.
    pub(crate) fn is_single(&self) -> bool {
        self.speakers.is_power_of_two()
    }

    /// The pieces of the run, all about as long; none if more than one voice speaks or it is too short.
    pub(crate) fn pieces(&self) -> Vec<Piece> {
        let length = self.to - self.from;
        if !self.is_single() || length < SHORTEST_FRAMES {
            return Vec::new();
        }
        let count = ((length + PIECE_FRAMES / 2) / PIECE_FRAMES).max(1);
        (0..count)
            .map(|index| Piece {
                window: self.window,
                speaker: self.speakers,
                from: self.from + length * index / count,
                to: self.from + length * (index + 1) / count,
                wide_from: self.from + length * index / count,
                wide_to: self.from + length * (index + 1) / count,
            })
            .collect()
    }

    /// Overlapping pieces for a run in which voices may change: each gets the middle of what is embedded.
    pub(crate) fn fine_pieces(&self) -> Vec<Piece> {
        let length = self.to - self.from;
        if length <= FINE_FRAMES + FINE_HOP / 2 {
            return self.pieces();
        }
        let spare = length - FINE_FRAMES;
        let count = spare.div_ceil(FINE_HOP) + 1;
        let start = |index: usize| self.from + spare * index / (count - 1);
        let edge = |index: usize| usize::midpoint(start(index - 1) + FINE_FRAMES, start(index));
        (0..count)
            .map(|index| Piece {
                window: self.window,
                speaker: self.speakers,
                from: if index == 0 { self.from } else { edge(index) },
                to: if index + 1 == count {
                    self.to
                } else {
                    edge(index + 1)
                },
                wide_from: start(index),
                wide_to: start(index) + FINE_FRAMES,
            })
            .collect()
    }
}

/// The runs of a window; `speakers` are those of its frames, from the start of the window.
pub(crate) fn runs(index: usize, window: Window, speakers: &[u8]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for frame in window.from..window.to {
        let within = (frame - window.start).min(speakers.len() - 1);
        let now = speakers[within];
        match runs.last_mut() {
            Some(run) if run.to == frame && run.speakers == now => run.to = frame + 1,
            _ if now != 0 => runs.push(Run {
                window: index,
                speakers: now,
                from: frame,
                to: frame + 1,
            }),
            _ => {}
        }
    }
    runs
}

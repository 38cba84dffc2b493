//! Who speaks in each frame, by the local speakers of the window that the frame is taken from.

use crate::segmentation::{CLASSES, Segmentation};

/// Samples from one frame to the next: 17 ms.
pub(crate) const FRAME_SAMPLES: usize = 270;
/// Frames of a window.
pub(crate) const WINDOW_FRAMES: usize = 589;
/// Frames from one window to the next: 5 s.
pub(crate) const HOP_FRAMES: usize = 297;
/// Samples from the start of a window to the first that is nearer to frame 0 than to any before it.
const FIRST_SAMPLE: usize = 360;

/// The local speakers of each class of the segmentation, as bits.
const SPEAKERS: [u8; CLASSES] = [0b000, 0b001, 0b010, 0b100, 0b011, 0b101, 0b110];

/// A window, and the frames of the recording that are taken from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its first frame in the recording.
    pub(crate) start: usize,
    /// The first frame that is taken from it.
    pub(crate) from: usize,
    /// The first that is taken from the next.
    pub(crate) to: usize,
}

/// The windows of a recording, in order. The last one ends with the recording.
pub(crate) fn windows(samples: usize) -> Vec<Window> {
    let frames = frames(samples);
    let last = frames.saturating_sub(WINDOW_FRAMES);
    let mut starts: Vec<usize> = (0..last).step_by(HOP_FRAMES).collect();
    if frames > 0 {
        starts.push(last);
    }

    let edge = |left: usize, right: usize| usize::midpoint(right, left + WINDOW_FRAMES);
    (0..starts.len())
        .map(|index| Window {
            start: starts[index],
            from: match index {
                0 => 0,
                _ => edge(starts[index - 1], starts[index]),
            },
            to: match starts.get(index + 1) {
                Some(next) => edge(starts[index], *next),
                None => frames,
            },
        })
        .collect()
}

/// Frames of a recording.
pub(crate) fn frames(samples: usize) -> usize {
    samples.div_ceil(FRAME_SAMPLES)
}

/// The sample that the frame starts at.
pub(crate) fn sample_of(frame: usize) -> usize {
    match frame {
        0 => 0,
        _ => frame * FRAME_SAMPLES + FIRST_SAMPLE,
    }
}

/// The local speakers of every frame of a window.
pub(crate) fn classify(network: &Segmentation, window: &[f32]) -> Vec<u8> {
    let scores = network.classify(window);
    scores.chunks_exact(CLASSES).map(best).collect()
}

fn best(scores: &[f32]) -> u8 {
    let mut best = 0;
    for class in 1..CLASSES {
        if scores[class] > scores[best] {
            best = class;
        }
    }
    SPEAKERS[best]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_taken_from_one_window_that_has_it() {
        for samples in [
            1, 270, 100_000, 160_000, 160_001, 240_000, 1_000_000, 16_000_000,
        ] {
            let windows = windows(samples);
            let mut next = 0;
            for window in &windows {
                assert_eq!(window.from, next, "{samples}");
                assert!(
                    window.from >= window.start && window.to <= window.start + WINDOW_FRAMES + 4
                );
                next = window.to;
            }
            assert_eq!(next, frames(samples));
        }
        assert!(windows(0).is_empty());
    }
}

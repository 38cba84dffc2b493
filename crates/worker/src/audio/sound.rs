//! Finds sound that the speech detector does not take for speech: a voice under music, a shout, a
//! voice far away.
//!
//! Called by [`plan`](super::plan), which sends it to Whisper too: the detector does not have the
//! final say. A pure function over frames.

use std::ops::Range;

use super::speech::Frames;

/// A frame counts as sound when it is this many dB above the recording's background noise.
const ABOVE_BACKGROUND: u8 = 9;
/// The share of frames, in percent, that are as quiet as the background or quieter.
const BACKGROUND_PERCENT: usize = 10;
/// Sound is never quieter than this, in dB above one step of a 16-bit sample (-60 dB of full scale).
const QUIETEST: u8 = 30;
/// The same in a recording where the detector finds no speech (-78 dB of full scale).
const QUIETEST_ALONE: u8 = 12;
/// Least sound between two stretches of speech, in frames (1.5 s): coughs and clicks are shorter.
const MIN_FRAMES: usize = 47;
/// Silence that separates two sounds, in frames (2 s).
const SEPARATION: usize = 62;
/// Kept before and after a sound, in frames (0.4 s).
const PAD_FRAMES: usize = 13;

/// The sound between the ranges of `speech`, which are in order and disjoint. Ranges of frames, in
/// order and disjoint. Without speech, all sound.
pub(super) fn sound_beside(speech: &[Range<usize>], frames: &Frames) -> Vec<Range<usize>> {
    let alone = speech.is_empty();
    let threshold = if alone {
        QUIETEST_ALONE
    } else {
        threshold(&frames.levels)
    };
    let least = if alone { 1 } else { MIN_FRAMES };

    let is_long = |sound: &Range<usize>| {
        let levels = &frames.levels[sound.clone()];
        levels.iter().filter(|level| **level >= threshold).count() >= least
    };
    let mut found = Vec::new();
    for gap in gaps(speech, frames.levels.len()) {
        for sound in sounds(gap.clone(), &frames.levels, threshold)
            .into_iter()
            .filter(is_long)
        {
            let start = sound.start.saturating_sub(PAD_FRAMES).max(gap.start);
            let end = (sound.end + PAD_FRAMES).min(gap.end);
            found.push(start..end);
        }
    }
    found
}

/// The level from which a frame is sound, given the levels of a recording with speech.
fn threshold(levels: &[u8]) -> u8 {
    // Digital silence says nothing about the background.
    let mut noise: Vec<u8> = levels.iter().copied().filter(|level| *level > 0).collect();
    noise.sort_unstable();
    let background = noise
        .get(noise.len() * BACKGROUND_PERCENT / 100)
        .copied()
        .unwrap_or(0);
    background.saturating_add(ABOVE_BACKGROUND).max(QUIETEST)
}

/// What lies before, between and after `speech`.
fn gaps(speech: &[Range<usize>], frames: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = std::iter::once(0).chain(speech.iter().map(|region| region.end));
    let ends = speech
        .iter()
        .map(|region| region.start)
        .chain(std::iter::once(frames));
    starts
        .zip(ends)
        .map(|(start, end)| start..end)
        .filter(|gap| !gap.is_empty())
}

/// The sounds of a gap, each from its first loud frame to its last.
fn sounds(gap: Range<usize>, levels: &[u8], threshold: u8) -> Vec<Range<usize>> {
    let mut sounds: Vec<Range<usize>> = Vec::new();
    for frame in gap.filter(|frame| levels[*frame] >= threshold) {
        match sounds.last_mut() {
            Some(last) if frame - last.end < SEPARATION => last.end = frame + 1,
            _ => sounds.push(frame..frame + 1),
        }
    }
    sounds
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stretches of frames, each with its level.
    fn frames(stretches: &[(usize, u8)]) -> Frames {
        let levels: Vec<u8> = stretches
            .iter()
            .flat_map(|&(length, level)| vec![level; length])
            .collect();
        Frames {
            probabilities: vec![0; levels.len()],
            levels,
        }
    }

    /// The sounds of a recording whose speech lies before the frame `speech_end`, as pairs.
    fn check(speech_end: usize, recording: &Frames) -> Vec<(usize, usize)> {
        let speech: Vec<_> = std::iter::once(0..speech_end)
            .filter(|speech| !speech.is_empty())
            .collect();
        sound_beside(&speech, recording)
            .into_iter()
            .map(|sound| (sound.start, sound.end))
            .collect()
    }

    #[test]
    fn without_speech_all_sound_counts() {
        assert_eq!(check(0, &frames(&[(30, 0), (5, 15), (10, 0)])), [(17, 45)]);
        assert!(
            check(0, &frames(&[(100, 3)])).is_empty(),
            "a converter's own noise is no sound"
        );
        assert!(check(0, &frames(&[])).is_empty());
    }

    #[test]
    fn beside_speech_long_sound_above_the_background_counts() {
        let recording = frames(&[
            (100, 60),
            (200, 35),
            (60, 55),
            (200, 35),
            (20, 55),
            (100, 35),
        ]);
        assert_eq!(
            check(100, &recording),
            [(287, 373)],
            "20 frames are too short"
        );
    }

    #[test]
    fn a_steady_background_is_no_sound() {
        assert!(check(100, &frames(&[(100, 60), (900, 45)])).is_empty());
    }

    #[test]
    fn digital_silence_does_not_make_the_background_loud() {
        let recording = frames(&[(100, 60), (2_000, 0), (500, 33)]);
        assert!(check(100, &recording).is_empty());
    }

    #[test]
    fn sounds_are_separated_by_silence() {
        let recording = frames(&[
            (100, 60),
            (300, 20),
            (50, 50),
            (100, 20),
            (50, 50),
            (30, 20),
            (50, 50),
        ]);
        assert_eq!(check(100, &recording), [(387, 463), (537, 680)]);
    }
}

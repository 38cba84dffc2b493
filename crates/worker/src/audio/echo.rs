//! Finds where a channel only repeats another one: cross-talk of a telephone line, an echo, or a
//! mono recording in a stereo file. Otherwise the same words would be transcribed in both channels.
//!
//! Called by [`sink`](super::sink) before channels are planned. Works on the levels of frames, because an echo is filtered
//! and delayed. Pure functions.

use super::speech::Frames;

/// Frames that are compared at a time (1 s), and frames from one comparison to the next.
const WINDOW: usize = 32;
const HOP: usize = 8;
/// Most comparisons at one delay: enough for any recording.
const MAX_WINDOWS: usize = 2_000;
/// Delays of an echo, in frames: up to 0.6 s. The first allows for channels that are not aligned.
const DELAYS: std::ops::RangeInclusive<isize> = -1..=18;
/// A frame of the other channel is loud above its 99th percentile less this, in dB.
const LOUD_BELOW_PEAK: f32 = 25.0;
/// Share of loud frames in a window that is compared.
const LOUD_SHARE: f32 = 0.3;
/// An echo is at least so much quieter, in dB.
const QUIETER: f32 = 3.0;
/// Levels that vary less, in dB, have no shape to compare.
const FLAT: f32 = 1.5;
/// Median correlation above which a channel repeats another. Unrelated talk stays below 0.4,
/// cross-talk and echoes of 10 to 40 dB are above 0.75 (real voices of ten dialogues).
const RELATED: f32 = 0.6;
/// The same where there are few windows.
const SURELY_RELATED: f32 = 0.8;
const FEW_WINDOWS: usize = 6;
const MIN_WINDOWS: usize = 3;
/// Loss of an echo from frame to frame while it fades, in dB.
const FADE: f32 = 2.0;
/// Sound that is louder than the expected echo by this, in dB, is the channel's own. For a strong
/// echo, less is enough.
const ABOVE_ECHO: f32 = 6.0;
const ABOVE_STRONG_ECHO: f32 = 3.0;
const STRONG: f32 = -9.0;
/// Own sound is longer than this, in frames; the second value is how many frames around it are
/// kept.
const MIN_OWN: usize = 3;
const KEPT_AROUND_OWN: usize = 6;
/// Lowest level of sound, in dB above one step of a 16-bit sample.
const SOUND: f32 = 12.0;
/// Share of frames at one distance, within 1 dB, that makes two channels the same.
const SAME_SHARE: f32 = 0.98;
/// Lowest level of the frames that are compared for that.
const CLEAR: u8 = 25;

/// For each channel, the frames in which it repeats another.
#[derive(Default)]
pub(super) struct Repeats {
    channels: Vec<Vec<bool>>,
    copies: usize,
}

/// How the sound of one channel appears in another.
#[derive(Clone, Copy, Debug)]
struct Path {
    delay: isize,
    gain: f32,
}

/// Compares every two channels.
pub(super) fn repeats(channels: &[Frames]) -> Repeats {
    let levels: Vec<Vec<f32>> = channels
        .iter()
        .map(|frames| {
            frames
                .levels
                .iter()
                .map(|level| f32::from(*level))
                .collect()
        })
        .collect();
    let mut found = Repeats {
        channels: levels.iter().map(|own| vec![false; own.len()]).collect(),
        copies: 0,
    };

    for index in 0..channels.len() {
        let is_copy = (0..channels.len()).any(|other| is_copy(channels, index, other));
        if is_copy {
            found.channels[index].fill(true);
            found.copies += 1;
            continue;
        }
        for other in (0..channels.len()).filter(|other| *other != index) {
            if let Some(path) = path(&levels[other], &levels[index]) {
                let echo = echo(&levels[other], &levels[index], path);
                for (known, new) in found.channels[index].iter_mut().zip(echo) {
                    *known |= new;
                }
            }
        }
    }
    found
}

impl Repeats {
    /// Whether a channel repeats another in a frame.
    pub(super) fn has(&self, channel: usize, frame: usize) -> bool {
        let frames = self.channels.get(channel);
        frames.and_then(|frames| frames.get(frame)) == Some(&true)
    }

    /// Marks repeated frames as silence.
    pub(super) fn hide(&self, channel: usize, frames: &mut Frames) {
        for index in 0..frames.levels.len() {
            if self.has(channel, index) {
                frames.levels[index] = 0;
                frames.probabilities[index] = 0;
            }
        }
    }

    /// Whether all channels but one are copies.
    pub(super) fn is_one_sound(&self) -> bool {
        self.copies > 0 && self.copies + 1 == self.channels.len()
    }
}

/// Whether a channel is the same sound as another, which is louder or, of equally loud ones, the first.
fn is_copy(channels: &[Frames], index: usize, other: usize) -> bool {
    if index == other {
        return false;
    }
    let pairs = channels[index].levels.iter().zip(&channels[other].levels);
    let mut distances: Vec<i16> = pairs
        .filter(|(own, other)| **own.max(other) >= CLEAR)
        .map(|(own, other)| i16::from(*own) - i16::from(*other))
        .collect();
    let has_sound = channels[index].levels.iter().any(|level| *level > 0);
    if distances.is_empty() || !has_sound {
        return false;
    }

    distances.sort_unstable();
    let median = distances[distances.len() / 2];
    let near = distances
        .iter()
        .filter(|distance| distance.abs_diff(median) <= 1);
    let is_same = near.count() as f32 >= distances.len() as f32 * SAME_SHARE;
    is_same && (median < 0 || (median == 0 && other < index))
}

/// How the sound of `source` appears in `target`, if it does.
fn path(source: &[f32], target: &[f32]) -> Option<Path> {
    let loud = percentile(source.to_vec(), 0.99)? - LOUD_BELOW_PEAK;
    let heard = target.iter().copied().filter(|level| *level > 0.0);
    let floor = percentile(heard.collect(), 0.1).unwrap_or(0.0).max(SOUND);

    let mut best = None;
    let mut best_likeness = 0.0;
    for delay in DELAYS {
        let mut likenesses = Vec::new();
        let mut gains = Vec::new();
        for (from, to) in windows(source, target, delay) {
            if let Some((likeness, gain)) = compare(from, to, loud, floor) {
                likenesses.push(likeness);
                gains.push(gain);
            }
        }
        let least = match likenesses.len() {
            0..MIN_WINDOWS => continue,
            MIN_WINDOWS..FEW_WINDOWS => SURELY_RELATED,
            _ => RELATED,
        };
        let likeness = percentile(likenesses, 0.5)?;
        if likeness >= least && likeness > best_likeness {
            best_likeness = likeness;
            best = Some(Path {
                delay,
                gain: percentile(gains, 0.5)?,
            });
        }
    }
    best
}

/// Windows of both channels, those of `target` later by `delay`.
fn windows<'a>(
    source: &'a [f32],
    target: &'a [f32],
    delay: isize,
) -> impl Iterator<Item = (&'a [f32], &'a [f32])> {
    let length = source.len().min(target.len());
    let hop = HOP.max(length / MAX_WINDOWS);
    (0..length).step_by(hop).filter_map(move |start| {
        let later = start.checked_add_signed(delay)?;
        let from = source.get(start..start + WINDOW)?;
        let to = target.get(later..later + WINDOW)?;
        Some((from, to))
    })
}

/// The correlation of two windows and the distance of their levels. `None` where the source is silent or the target too loud
/// to be its echo.
fn compare(source: &[f32], target: &[f32], loud: f32, floor: f32) -> Option<(f32, f32)> {
    let is_loud = |level: &f32| *level > loud;
    let loud_frames = source.iter().filter(|level| is_loud(level)).count();
    if (loud_frames as f32) < WINDOW as f32 * LOUD_SHARE {
        return None;
    }
    let target: Vec<f32> = target.iter().map(|level| level.max(floor)).collect();
    let (source_mean, source_deviation) = moments(source);
    let (target_mean, target_deviation) = moments(&target);
    if source_mean - target_mean < QUIETER {
        return None;
    }

    let pairs = || source.iter().zip(&target);
    let distances = pairs().filter(|(source, _)| is_loud(source));
    let gain = percentile(distances.map(|(s, t)| t - s).collect(), 0.5)?;
    if source_deviation < FLAT || target_deviation < FLAT {
        return Some((0.0, gain));
    }
    let products = pairs().map(|(s, t)| (s - source_mean) * (t - target_mean));
    let covariance = products.sum::<f32>() / WINDOW as f32;
    Some((covariance / (source_deviation * target_deviation), gain))
}

/// The frames of `target` that are no louder than the echo of `source`.
fn echo(source: &[f32], target: &[f32], path: Path) -> Vec<bool> {
    let margin = if path.gain > STRONG {
        ABOVE_STRONG_ECHO
    } else {
        ABOVE_ECHO
    };
    let mut fading = Vec::with_capacity(source.len());
    let mut last = 0.0_f32;
    for level in source {
        last = level.max(last - FADE);
        fading.push(last);
    }

    let expected = |frame: usize| {
        let around = (-1..=1).filter_map(|step| {
            let at = frame.checked_add_signed(step - path.delay)?;
            fading.get(at)
        });
        around.copied().fold(0.0, f32::max) + path.gain + margin
    };
    let mut own: Vec<bool> = (0..target.len())
        .map(|frame| target[frame] > expected(frame).max(SOUND))
        .collect();
    drop_short(&mut own);
    widen(&own).into_iter().map(|is_own| !is_own).collect()
}

/// Removes runs that are too short to be speech.
fn drop_short(own: &mut [bool]) {
    let mut start = 0;
    for end in 0..=own.len() {
        if end < own.len() && own[end] {
            continue;
        }
        if end - start < MIN_OWN {
            own[start..end].fill(false);
        }
        start = end + 1;
    }
}

/// Adds the frames around each run: words begin and end softly.
fn widen(own: &[bool]) -> Vec<bool> {
    let mut wide = vec![false; own.len()];
    for (index, _) in own.iter().enumerate().filter(|(_, is_own)| **is_own) {
        let start = index.saturating_sub(KEPT_AROUND_OWN);
        let end = (index + KEPT_AROUND_OWN + 1).min(own.len());
        wide[start..end].fill(true);
    }
    wide
}

/// Mean and standard deviation.
fn moments(values: &[f32]) -> (f32, f32) {
    let count = values.len() as f32;
    let mean = values.iter().sum::<f32>() / count;
    let squares = values.iter().map(|value| (value - mean).powi(2));
    (mean, (squares.sum::<f32>() / count).sqrt())
}

/// The value below which a share of all values lies.
fn percentile(mut values: Vec<f32>, share: f32) -> Option<f32> {
    values.sort_unstable_by(f32::total_cmp);
    let last = values.len().checked_sub(1)?;
    values.get((last as f32 * share) as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Levels of a voice that speaks in the given ranges of seconds: syllables over a background of 15 dB.
    fn voice(seed: u32, speech: &[(usize, usize)]) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as u8
        };
        let mut level = 60_i32;
        (0..60 * 31)
            .map(|frame| {
                level = (level + i32::from(next() % 21) - 10).clamp(35, 70);
                let talks = speech
                    .iter()
                    .any(|(start, end)| (start * 31..end * 31).contains(&frame));
                if talks { level as u8 } else { 14 + next() % 3 }
            })
            .collect()
    }

    /// `own` with what leaks from `other`, both as energies.
    fn with_leak(own: &[u8], other: &[u8], delay: usize, gain: f32) -> Vec<u8> {
        let energy = |level: f32| 10_f32.powf(level / 10.0);
        let leak = |frame: usize| {
            let source = frame
                .checked_sub(delay)
                .map_or(0.0, |at| f32::from(other[at]));
            energy(source + gain)
        };
        (0..own.len())
            .map(|frame| (10.0 * (energy(f32::from(own[frame])) + leak(frame)).log10()) as u8)
            .collect()
    }

    fn frames(levels: Vec<u8>) -> Frames {
        Frames {
            probabilities: vec![255; levels.len()],
            levels,
        }
    }

    /// The share of the frames of a range of seconds in which the channel repeats the other.
    fn share(found: &Repeats, channel: usize, seconds: (usize, usize)) -> f32 {
        let range = seconds.0 * 31..seconds.1 * 31;
        let count = range.clone().filter(|frame| found.has(channel, *frame));
        count.count() as f32 / range.len() as f32
    }

    const LEFT: [(usize, usize); 2] = [(0, 20), (30, 45)];
    const RIGHT: [(usize, usize); 2] = [(20, 30), (40, 60)];

    #[test]
    fn cross_talk_is_hidden_and_own_speech_is_kept() {
        let (left, right) = (voice(1, &LEFT), voice(2, &RIGHT));
        for (delay, gain) in [(0, -12.0), (0, -30.0), (3, -20.0), (9, -26.0)] {
            let leaky = with_leak(&right, &left, delay, gain);
            let found = repeats(&[frames(left.clone()), frames(leaky)]);
            let case = format!("{delay} frames, {gain} dB");

            assert!(share(&found, 1, (1, 19)) > 0.95, "{case}");
            assert!(share(&found, 1, (31, 39)) > 0.9, "{case}");
            assert!(share(&found, 1, (21, 29)) < 0.05, "{case}");
            assert!(share(&found, 1, (46, 59)) < 0.05, "{case}");
            assert!(share(&found, 1, (41, 44)) < 0.4, "{case}: both talk");
            assert!(share(&found, 0, (0, 60)) < 0.01, "{case}");
            assert!(!found.is_one_sound());
        }
    }

    #[test]
    fn two_voices_that_talk_at_the_same_time_are_both_kept() {
        for seed in 1..20 {
            let loud = frames(voice(seed, &[(0, 60)]));
            let quiet = voice(seed + 100, &[(0, 60)]);
            let quiet = frames(quiet.iter().map(|level| level - 12).collect());
            let found = repeats(&[loud, quiet]);
            assert!(share(&found, 0, (0, 60)) + share(&found, 1, (0, 60)) < 0.01);
        }
    }

    #[test]
    fn a_mono_recording_in_two_channels_is_one_sound() {
        let sound = voice(5, &LEFT);
        let quieter = sound.iter().map(|level| level - 8).collect();
        let found = repeats(&[frames(sound.clone()), frames(sound.clone())]);
        assert!(found.is_one_sound() && found.has(1, 50) && !found.has(0, 50));
        let found = repeats(&[frames(quieter), frames(sound)]);
        assert!(found.is_one_sound() && found.has(0, 50) && !found.has(1, 50));
    }

    #[test]
    fn silence_and_short_recordings_repeat_nothing() {
        for length in [0, 1, 31, 100] {
            let found = repeats(&[frames(vec![0; length]), frames(vec![50; length])]);
            assert!((0..length).all(|frame| !found.has(0, frame) && !found.has(1, frame)));
        }
    }
}

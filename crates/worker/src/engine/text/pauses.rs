//! Finds pauses in speech, which mark the edges of words better than the decoder's attention. Works on samples and times
//! alone.

use std::ops::Range;

use super::pace;

/// Samples of a frame of 10 ms.
const FRAME_SAMPLES: usize = 160;
/// Seconds of a frame.
const FRAME_SECONDS: f64 = 0.01;
/// Frames of silence between words rather than inside one: plosives are silent for up to 0.1 s.
const PAUSE_FRAMES: usize = 14;
/// Share of the loud frames' level below which a frame is quiet (-26 dB).
const QUIET_SHARE: f32 = 0.05;
/// The same, as a multiple of the background's level.
const ABOVE_BACKGROUND: f32 = 2.0;
/// A pause further than this from every word boundary, in seconds, is taken to be inside a word.
const FAR: f64 = 0.8;
/// Added to that distance, in seconds, after punctuation, because people pause there.
const PUNCTUATION_BONUS: f64 = 0.3;

/// Largest distance between a timestamp and its pause, in seconds.
const NEAR: f64 = 0.1;

/// A word's end according to the alignment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boundary {
    /// Seconds from the start of the audio. Never before that of the word before.
    pub(super) end: f64,
    /// Letters of the word.
    pub(super) letters: usize,
    /// Whether punctuation follows it.
    pub(super) punctuated: bool,
}

/// The pauses of audio, in seconds, in order.
pub(super) struct Pauses {
    pauses: Vec<Range<f64>>,
}

impl Pauses {
    /// Of samples at 16 kHz, -1 to 1. Under noise as loud as the speech there are none.
    pub(super) fn of(samples: &[f32]) -> Self {
        let level =
            |frame: &[f32]| (frame.iter().map(|s| s * s).sum::<f32>() / frame.len() as f32).sqrt();
        let levels: Vec<f32> = samples.chunks(FRAME_SAMPLES).map(level).collect();
        let mut sorted = levels.clone();
        sorted.sort_by(f32::total_cmp);
        let at = |share: usize| {
            sorted
                .get(sorted.len() * share / 100)
                .copied()
                .unwrap_or_default()
        };
        let (background, loud) = (at(10), at(95));
        let threshold = (background * ABOVE_BACKGROUND)
            .max(loud * QUIET_SHARE)
            .min(loud / 2.0);
        let mut pauses = Vec::new();
        let mut begun = 0;
        for (frame, level) in levels.iter().chain([&f32::INFINITY]).enumerate() {
            if *level < threshold {
                continue;
            }
            let at_an_end = begun == 0 || frame == levels.len();
            if frame - begun >= PAUSE_FRAMES || (at_an_end && frame > begun) {
                pauses.push(begun as f64 * FRAME_SECONDS..frame as f64 * FRAME_SECONDS);
            }
            begun = frame + 1;
        }
        Self { pauses }
    }

    /// Whether it is quiet at a time, or less than a tenth of a second from it.
    pub(super) fn is_pause(&self, seconds: f64) -> bool {
        self.pauses
            .iter()
            .any(|pause| pause.start - NEAR <= seconds && seconds <= pause.end + NEAR)
    }

    /// When each of the words between `from` and `to` is spoken. Each pause is put between the two words whose boundary it
    /// is nearest to, in order; what lies between pauses is divided as the alignment has it.
    pub(super) fn place(&self, words: &[Boundary], from: f64, to: f64) -> Vec<Range<f64>> {
        let inside: Vec<_> = self
            .pauses
            .iter()
            .filter(|pause| pause.end > from && pause.start < to)
            .collect();

        let mut starts = vec![None; words.len()];
        let mut ends = vec![None; words.len()];
        for (pause, after) in inside.iter().zip(assign(&inside, words, from..to)) {
            // A pause is behind the word `after - 1` and before the word `after`.
            let Some(after) = after else { continue };
            if let Some(end) = after.checked_sub(1).and_then(|word| ends.get_mut(word)) {
                *end = Some(pause.start.max(from));
            }
            if let Some(start) = starts.get_mut(after) {
                *start = Some(pause.end.min(to));
            }
        }

        let mut placed = Vec::with_capacity(words.len());
        let mut first = 0;
        for word in 0..words.len() {
            if word + 1 == words.len() || ends[word].is_some() {
                let start = starts[first].unwrap_or_else(|| {
                    placed.last().map_or(from, |before: &Range<f64>| before.end)
                });
                let end = ends[word]
                    .unwrap_or(words[word].end.clamp(from, to))
                    .max(start);
                divide(&words[first..=word], start..end, &mut placed);
                first = word + 1;
            }
        }

        let letters: Vec<_> = words.iter().map(|word| word.letters).collect();
        pace::mend(&mut placed, &letters);

        placed
    }
}

/// For each pause the number of words before it, or `None` if it is inside a word.
fn assign(pauses: &[&Range<f64>], words: &[Boundary], heard: Range<f64>) -> Vec<Option<usize>> {
    let cost = |pause: &Range<f64>, before: usize| {
        // Silence at an end is before all words, or after them; any other is neither.
        let leads = pause.start < heard.start + FRAME_SECONDS;
        let trails = pause.end + FRAME_SECONDS > heard.end && !leads;
        if (before == 0) != leads || (before == words.len()) != trails {
            return f64::INFINITY;
        }
        let (at, bonus) = match before.checked_sub(1).map(|word| words[word]) {
            Some(word) => (
                word.end,
                if word.punctuated {
                    PUNCTUATION_BONUS
                } else {
                    0.0
                },
            ),
            None => return 0.0,
        };
        if trails {
            return 0.0;
        }
        ((pause.start - at).max(at - pause.end).max(0.0) - bonus).max(0.0)
    };

    let places = words.len() + 1;
    // From the last pause to the first: the least cost of the pauses from `p` on, if the words before `w` are spoken for.
    let mut costs = vec![vec![0.0; places + 1]; pauses.len() + 1];
    let mut choices = vec![vec![None; places + 1]; pauses.len()];
    for p in (0..pauses.len()).rev() {
        costs[p][places] = costs[p + 1][places] + FAR;
        for w in (0..places).rev() {
            let mut best = (costs[p + 1][w] + FAR, None);
            let here = cost(pauses[p], w) + costs[p + 1][w + 1];
            if here < best.0 {
                best = (here, Some(w));
            }
            // Or after more words than this.
            if costs[p][w + 1] < best.0 {
                best = (costs[p][w + 1], choices[p][w + 1]);
            }
            (costs[p][w], choices[p][w]) = best;
        }
    }

    let mut next = 0;

    choices
        .iter()
        .map(|choices| {
            let choice = choices[next];
            next = choice.map_or(next, |word: usize| word + 1);
            choice
        })
        .collect()
}

/// Divides a stretch of speech among its words: as the alignment has it, or by their letters where it has words outside.
fn divide(words: &[Boundary], stretch: Range<f64>, placed: &mut Vec<Range<f64>>) {
    let first = placed.len();
    let inner = &words[..words.len().saturating_sub(1)];
    let fits = inner
        .iter()
        .all(|word| word.end > stretch.start && word.end < stretch.end);
    let mut start = stretch.start;
    for word in inner {
        let end = word.end.clamp(start, stretch.end);
        placed.push(start..end);
        start = end;
    }
    placed.push(start..stretch.end);
    if !fits {
        let letters: Vec<_> = words.iter().map(|word| word.letters).collect();
        pace::divide(&mut placed[first..], &letters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tone (`#`) and near silence (`.`), 50 ms each.
    fn pauses(sound: &str) -> Pauses {
        let samples: Vec<f32> = sound
            .chars()
            .flat_map(|c| {
                (0..800).map(move |i| (i as f32 * 0.3).sin() * if c == '#' { 0.5 } else { 0.001 })
            })
            .collect();
        Pauses::of(&samples)
    }

    fn check(sound: &str, ends: &[f64], expected: &[(f64, f64)]) {
        let words: Vec<_> = ends
            .iter()
            .map(|end| Boundary {
                end: *end,
                letters: 4,
                punctuated: false,
            })
            .collect();
        let placed = pauses(sound).place(&words, 0.0, sound.len() as f64 * 0.05);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        let same = placed.len() == expected.len()
            && placed
                .iter()
                .zip(expected)
                .all(|(a, b)| close(a.start, b.0) && close(a.end, b.1));
        assert!(same, "{sound}: {placed:?}");
    }

    #[test]
    fn silence_at_the_ends_belongs_to_no_speaker() {
        check("....####..", &[0.5], &[(0.2, 0.4)]);
        check(".####.", &[0.2], &[(0.05, 0.25)]);
    }

    #[test]
    fn a_pause_belongs_to_the_nearest_boundary() {
        // Heard too early, and too late.
        check("####....####", &[0.1, 0.6], &[(0.0, 0.2), (0.4, 0.6)]);
        check("####....####", &[0.5, 0.6], &[(0.0, 0.2), (0.4, 0.6)]);
        check(
            "####....####....####",
            &[0.25, 0.7, 1.0],
            &[(0.0, 0.2), (0.4, 0.6), (0.8, 1.0)],
        );
    }

    #[test]
    fn words_without_a_pause_are_divided_as_they_were_heard() {
        check("########", &[0.173, 0.4], &[(0.0, 0.173), (0.173, 0.4)]);
        // The second word cannot end before it begins.
        check(
            "####....########",
            &[0.2, 0.3, 0.8],
            &[(0.0, 0.2), (0.4, 0.6), (0.6, 0.8)],
        );
    }

    #[test]
    fn more_pauses_than_boundaries_are_inside_words() {
        check("####....####", &[0.6], &[(0.0, 0.6)]);
        check(
            "####....####....####..",
            &[0.5, 1.0],
            &[(0.0, 0.6), (0.8, 1.0)],
        );
        check("....", &[0.2], &[(0.0, 0.2)]);
        check("", &[0.0], &[(0.0, 0.0)]);
    }
}

//! Finds the turns that the words of a segment can belong to, so that a long recording takes time in proportion to its words and
//! turns, and not to their product.

use std::collections::BTreeSet;

use super::SpeakerTurn;
use super::words::EDGE;
use crate::Segment;

/// The turns of a recording, in the order of their starts.
pub(super) struct TurnIndex {
    turns: Vec<SpeakerTurn>,
    /// For each turn, the index of the one with the latest end so far; of several the first.
    last_to_end: Vec<usize>,
}

impl TurnIndex {
    pub(super) fn new(turns: &[SpeakerTurn]) -> Self {
        let mut turns = turns.to_vec();
        turns.sort_by(|a, b| a.start.total_cmp(&b.start));

        let mut last_to_end: Vec<usize> = Vec::with_capacity(turns.len());
        for (index, turn) in turns.iter().enumerate() {
            let before = last_to_end.last().copied();
            let longer = before.filter(|before| turns[*before].end >= turn.end);
            last_to_end.push(longer.unwrap_or(index));
        }
        Self { turns, last_to_end }
    }

    /// Only the turns of these speakers.
    pub(super) fn of(&self, speakers: &BTreeSet<u32>) -> Self {
        let own = self.turns.iter().copied();
        let own: Vec<SpeakerTurn> = own
            .filter(|turn| speakers.contains(&turn.speaker))
            .collect();
        Self::new(&own)
    }

    /// The turns that the words of a segment can belong to.
    pub(super) fn around(&self, segment: &Segment) -> Vec<SpeakerTurn> {
        let words = segment.words.as_deref().unwrap_or_default();
        let starts = words.iter().map(|word| word.start);
        let ends = words.iter().map(|word| word.end);
        self.near(
            starts.fold(segment.start, f64::min),
            ends.fold(segment.end, f64::max),
        )
    }

    /// The turns that overlap with a stretch or are within [`EDGE`] of it, and the nearest one on either side, in order. No other
    /// turn can be nearer to a part of the stretch.
    fn near(&self, start: f64, end: f64) -> Vec<SpeakerTurn> {
        let (start, end) = (start - EDGE, end + EDGE);
        let after = self.turns.partition_point(|turn| turn.start <= end);
        let mut near: Vec<SpeakerTurn> = self.turns.get(after).copied().into_iter().collect();

        for index in (0..after).rev() {
            let last = self.turns[self.last_to_end[index]];
            if last.end < start {
                near.push(last);
                break;
            }
            let turn = self.turns[index];
            if turn.end >= start {
                near.push(turn);
            }
        }
        near.reverse();
        near
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::{speaker_of, speakers_of_words};
    use super::*;
    use crate::Word;

    /// Numbers below `bound` that look random and are the same in every run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 33) % bound
        }

        /// Tenths of a second, so that many edges coincide.
        fn seconds(&mut self, bound: u64) -> f64 {
            self.below(bound * 10) as f64 / 10.0
        }
    }

    fn turn(numbers: &mut Numbers, recording: u64) -> SpeakerTurn {
        let start = numbers.seconds(recording);
        let longest = if numbers.below(20) == 0 { recording } else { 4 };
        SpeakerTurn {
            start,
            end: start + numbers.seconds(longest),
            speaker: numbers.below(4) as u32,
        }
    }

    /// Words within a stretch; some end a sentence.
    fn words(numbers: &mut Numbers, start: f64, count: u64) -> Vec<Word> {
        let mut at = start;
        let words = (0..count).map(|_| {
            let from = at + numbers.seconds(1) / 2.0;
            at = from + numbers.seconds(1);
            Word {
                word: ["and", "yes.", "well", "so?"][numbers.below(4) as usize].to_owned(),
                start: from,
                end: at,
                probability: 1.0,
                speaker: None,
            }
        });
        words.collect()
    }

    #[test]
    fn turns_nearby_give_words_the_same_speakers_as_all_turns() {
        let mut numbers = Numbers(1);
        let mut outside = 0;
        for _ in 0..2000 {
            let recording = 5 + numbers.below(60);
            let count = numbers.below(30);
            let turns: Vec<SpeakerTurn> =
                (0..count).map(|_| turn(&mut numbers, recording)).collect();
            let index = TurnIndex::new(&turns);

            let start = numbers.seconds(recording);
            let count = numbers.below(12);
            let words = words(&mut numbers, start, count);
            let end = words.last().map_or(start + 1.0, |word| word.end);
            let near = index.near(start, end);

            let all = speakers_of_words(&words, &index.turns);
            assert_eq!(speakers_of_words(&words, &near), all, "{words:?} {turns:?}");
            assert_eq!(
                speaker_of(start, end, &near),
                speaker_of(start, end, &index.turns)
            );
            outside += index.turns.len() - near.len();
        }
        assert!(outside > 10_000, "too few turns are left out: {outside}");
    }

    #[test]
    fn few_of_the_turns_of_a_long_recording_are_near() {
        let turns: Vec<SpeakerTurn> = (0..15_000_u32)
            .map(|index| SpeakerTurn {
                start: f64::from(index) * 3.0,
                end: f64::from(index) * 3.0 + 3.5,
                speaker: index % 2,
            })
            .collect();
        let index = TurnIndex::new(&turns);

        for start in (0..45_000).step_by(100) {
            let start = f64::from(start);
            assert!(index.near(start, start + 30.0).len() < 15);
        }
    }
}

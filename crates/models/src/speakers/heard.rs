//! Which speakers say something. Where the networks take music for a voice, no word lies in its turns.

use std::collections::BTreeSet;

use super::nearby::TurnIndex;
use super::words::{speaker_of, speakers_of_words};
use crate::Segment;

/// The speakers who have a word within their turns. Words beside all turns go to the nearest one, and prove no speaker.
pub(super) fn heard_speakers(segments: &[Segment], turns: &TurnIndex) -> BTreeSet<u32> {
    let mut heard = BTreeSet::new();
    for segment in segments {
        let turns = turns.around(segment);
        let words = segment.words.as_deref().unwrap_or_default();
        let mut said: Vec<(f64, f64, Option<u32>)> = words
            .iter()
            .zip(speakers_of_words(words, &turns))
            .map(|(word, speaker)| (word.start, word.end, speaker))
            .collect();
        if said.is_empty() {
            let speaker = speaker_of(segment.start, segment.end, &turns);
            said.push((segment.start, segment.end, speaker));
        }

        for (start, end, speaker) in said {
            let own = turns.iter().filter(|turn| Some(turn.speaker) == speaker);
            let within = own.filter(|turn| turn.start < end && turn.end > start);
            heard.extend(within.map(|turn| turn.speaker));
        }
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::super::SpeakerTurn;
    use super::*;

    fn segment(start: f64, end: f64) -> Segment {
        Segment {
            start,
            end,
            ..Segment::default()
        }
    }

    #[test]
    fn a_speaker_without_words_within_its_turns_is_not_heard() {
        let turns = [(0.0, 2.0, 7), (3.0, 8.0, 1), (20.0, 21.0, 4)];
        let turns = turns.map(|(start, end, speaker)| SpeakerTurn {
            start,
            end,
            speaker,
        });
        let index = TurnIndex::new(&turns);
        let heard = |segments: &[Segment]| heard_speakers(segments, &index);

        // The second one is nearer to the turn of 1.
        let talk = [segment(0.5, 1.9), segment(2.6, 2.9)];
        assert_eq!(heard(&talk), BTreeSet::from([7]));
        assert_eq!(
            heard(&[segment(1.0, 2.0), segment(2.6, 3.1)]),
            BTreeSet::from([1, 7])
        );
        assert_eq!(heard(&[segment(12.0, 13.0)]), BTreeSet::new());
    }
}

//! Who says each word: the speaker of the turn that overlaps most with it, or of the nearest turn. The speaker of most of a sentence
//! also says its words where two speak at once, and its first and last words where a turn ends or begins a little off.

use super::SpeakerTurn;
use crate::Word;

/// What a sentence ends with, besides quotes and brackets.
const ENDS: [char; 7] = ['.', '?', '!', '…', '。', '？', '！'];
const QUOTES: [char; 6] = ['"', '”', '’', '»', ')', '」'];

/// How far from the speaker's turn the first or last words of a sentence may be, in seconds: turns and word times are accurate to
/// about 0.1 s.
pub(super) const EDGE: f64 = 0.1;
/// The share of a sentence's words from which on its speaker gets these words too.
const CLEAR_MAJORITY: f64 = 0.75;

/// The speaker of each word.
pub(super) fn speakers_of_words(words: &[Word], turns: &[SpeakerTurn]) -> Vec<Option<u32>> {
    words
        .split_inclusive(|word| word.word.trim_end_matches(QUOTES).ends_with(ENDS))
        .flat_map(|sentence| speakers_of(sentence, turns))
        .collect()
}

/// The speaker of each word of a sentence.
fn speakers_of(sentence: &[Word], turns: &[SpeakerTurn]) -> Vec<Option<u32>> {
    let speakers: Vec<Option<u32>> = sentence
        .iter()
        .map(|word| speaker_of(word.start, word.end, turns))
        .collect();
    let count = |speaker: &Option<u32>| speakers.iter().filter(|own| *own == speaker).count();
    // The last of the maxima is taken: of two that say as much, the one who ends the sentence.
    let Some(main_speaker) = speakers.iter().copied().max_by_key(count).flatten() else {
        return speakers;
    };

    let speaks_during = |word: &Word| {
        let mut own = turns.iter().filter(|turn| turn.speaker == main_speaker);
        own.any(|turn| turn.start <= word.start && turn.end >= word.end)
    };
    let is_near = |word: &Word| {
        let mut own = turns.iter().filter(|turn| turn.speaker == main_speaker);
        own.any(|turn| turn.start <= word.end + EDGE && turn.end >= word.start - EDGE)
    };
    let has_clear_majority =
        count(&Some(main_speaker)) as f64 >= sentence.len() as f64 * CLEAR_MAJORITY;
    let is_own = |own: &Option<u32>| *own == Some(main_speaker);
    let (Some(first), Some(last)) = (
        speakers.iter().position(is_own),
        speakers.iter().rposition(is_own),
    ) else {
        return speakers;
    };

    let words = sentence.iter().zip(&speakers).enumerate();
    words
        .map(|(index, (word, own))| {
            let is_at_edge = index < first || index > last;
            if speaks_during(word) || (has_clear_majority && is_at_edge && is_near(word)) {
                Some(main_speaker)
            } else {
                *own
            }
        })
        .collect()
}

/// The speaker whose turns overlap most with a stretch, else the one of the nearest turn.
pub(super) fn speaker_of(start: f64, end: f64, turns: &[SpeakerTurn]) -> Option<u32> {
    let overlap = |turn: &SpeakerTurn| turn.end.min(end) - turn.start.max(start);
    let mut best: Option<(f64, u32)> = None;
    for turn in turns {
        // Below zero: how far away the turn is.
        let near = overlap(turn);
        if best.is_none_or(|(most, _)| near > most) {
            best = Some((near, turn.speaker));
        }
    }
    best.map(|(_, speaker)| speaker)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The speakers of words of 0.4 s, one each half second, where the second speaker begins at `change`.
    fn speakers(sentence: &str, change: f64) -> Vec<u32> {
        let words: Vec<Word> = sentence
            .split(' ')
            .enumerate()
            .map(|(index, word)| Word {
                word: word.to_owned(),
                start: index as f64 * 0.5,
                end: index as f64 * 0.5 + 0.4,
                probability: 0.9,
                speaker: None,
            })
            .collect();
        let turn = |start, end, speaker| SpeakerTurn {
            start,
            end,
            speaker,
        };
        let turns = [turn(0.0, change, 0), turn(change, 9.0, 1)];
        let found = speakers_of_words(&words, &turns);
        found.into_iter().flatten().collect()
    }

    #[test]
    fn a_word_just_beside_the_turn_of_its_sentence_belongs_to_it() {
        assert_eq!(speakers("I come from here.", 0.49), [1, 1, 1, 1]);
        assert_eq!(speakers("Now I come here.", 1.41), [0, 0, 0, 0]);
    }

    #[test]
    fn a_word_far_from_the_turn_of_its_sentence_keeps_its_speaker() {
        assert_eq!(speakers("I come from here.", 0.6), [0, 1, 1, 1]);
        assert_eq!(speakers("Now I come here.", 1.3), [0, 0, 0, 1]);
    }

    #[test]
    fn a_short_sentence_takes_no_words_of_others() {
        assert_eq!(speakers("Yes we do.", 0.49), [0, 1, 1]);
    }
}

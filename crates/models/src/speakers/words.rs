//! Who says each word: the speaker of the turn that overlaps most with it, or of the nearest turn. Where two speak at once, the speaker
//! of most of the sentence.

use super::SpeakerTurn;
use crate::Word;

/// What a sentence ends with, besides quotes and brackets.
const ENDS: [char; 7] = ['.', '?', '!', '…', '。', '？', '！'];
const QUOTES: [char; 6] = ['"', '”', '’', '»', ')', '」'];

/// The speaker of each word.
pub(super) fn speakers_of_words(words: &[Word], turns: &[SpeakerTurn]) -> Vec<Option<u32>> {
    words
        .split_inclusive(|word| word.word.trim_end_matches(QUOTES).ends_with(ENDS))
        .flat_map(|sentence| speakers_of(sentence, turns))
        .collect()
}

/// The speaker of each word of a sentence. Where two speak at once, the words go to the one who says the rest of it.
fn speakers_of(sentence: &[Word], turns: &[SpeakerTurn]) -> Vec<Option<u32>> {
    let speakers: Vec<Option<u32>> = sentence
        .iter()
        .map(|word| speaker_of(word.start, word.end, turns))
        .collect();
    let count = |speaker: &Option<u32>| speakers.iter().filter(|own| *own == speaker).count();
    // The last of the maxima is taken: of two that say as much, the one who ends the sentence.
    let most = speakers.iter().copied().max_by_key(count).flatten();

    let says = |speaker: u32, word: &Word| {
        turns
            .iter()
            .any(|turn| turn.speaker == speaker && turn.start <= word.start && turn.end >= word.end)
    };
    sentence
        .iter()
        .zip(&speakers)
        .map(|(word, own)| most.filter(|most| says(*most, word)).or(*own))
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

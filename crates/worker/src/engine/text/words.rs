//! Joins tokens with times to words. A pure function of tokens; does not depend on an engine.

use steno_models::{Segment, Word, separator};

use super::pauses::{Boundary, Pauses};

/// A token of the text.
#[derive(Clone, Debug)]
pub(crate) struct SpokenToken {
    /// Its bytes; a token can end inside a character.
    pub(crate) bytes: Vec<u8>,
    /// How likely it was, 0 to 1.
    pub(crate) probability: f32,
    /// Start time, in seconds.
    pub(crate) start: f64,
    /// End time, in seconds.
    pub(crate) end: f64,
}

/// A word under construction.
#[derive(Default)]
struct Growing {
    bytes: Vec<u8>,
    start: f64,
    end: f64,
    probability: f32,
    tokens: u16,
}

/// The words of a segment: what lies between spaces, or tokens of scripts without spaces, with the punctuation that follows.
pub(super) fn words(tokens: &[SpokenToken]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut growing = Growing::default();
    for token in tokens {
        if growing.tokens > 0 && begins_word(&growing.bytes, &token.bytes) {
            finish(&std::mem::take(&mut growing), &mut words);
        }
        if growing.tokens == 0 {
            growing.start = token.start;
        }
        growing.bytes.extend_from_slice(&token.bytes);
        // Punctuation takes the time of the pause that follows the word.
        if growing.tokens == 0 || !is_punctuation(&token.bytes) {
            growing.end = token.end;
        }
        growing.probability += token.probability;
        growing.tokens += 1;
    }
    finish(&growing, &mut words);
    words
}

/// Whether a token begins a word of its own after `before`.
fn begins_word(before: &[u8], token: &[u8]) -> bool {
    if token.first() == Some(&b' ') {
        return true;
    }
    // No word begins inside a character.
    let (Ok(before), Ok(token)) = (str::from_utf8(before), str::from_utf8(token)) else {
        return false;
    };
    let last = before
        .chars()
        .next_back()
        .map(String::from)
        .unwrap_or_default();
    let is_unspaced = separator(&last, token).is_empty() && !last.is_empty();
    is_unspaced && token.contains(char::is_alphanumeric)
}

/// Whether a token has no letter and is no part of one.
fn is_punctuation(token: &[u8]) -> bool {
    str::from_utf8(token).is_ok_and(|text| !text.contains(char::is_alphanumeric))
}

fn finish(growing: &Growing, words: &mut Vec<Word>) {
    let text = String::from_utf8_lossy(&growing.bytes);
    let word = text.trim();
    if word.is_empty() {
        return;
    }
    words.push(Word {
        word: word.to_owned(),
        start: growing.start,
        end: growing.end.max(growing.start),
        probability: growing.probability / f32::from(growing.tokens.max(1)),
        speaker: None,
    });
}

/// Drops words that were cut out of a segment's text.
pub(super) fn drop_cut_words(segment: &mut Segment) {
    let Some(words) = &mut segment.words else {
        return;
    };
    let mut rest = segment.text.as_str();
    words.retain(
        |word| match rest.trim_start().strip_prefix(word.word.as_str()) {
            Some(after) => {
                rest = after;
                true
            }
            None => false,
        },
    );
}

/// Gives the words of segments the times between pauses, and the segments the times of their words. `duration` is the length
/// of what was heard, in seconds.
pub(super) fn place(segments: &mut [Segment], pauses: &Pauses, duration: f64) {
    let mut before = 0.0;
    let words = segments
        .iter()
        .flat_map(|segment| segment.words.iter().flatten());
    let boundaries: Vec<_> = words
        .map(|word| {
            before = word.end.clamp(before, duration.max(before));
            let letters = word.word.chars().filter(|c| c.is_alphanumeric()).count();
            Boundary {
                end: before,
                letters,
                punctuated: !word.word.ends_with(char::is_alphanumeric),
            }
        })
        .collect();
    let mut places = pauses.place(&boundaries, 0.0, duration).into_iter();
    for segment in segments {
        let words = segment.words.as_deref_mut().unwrap_or_default();
        for (word, place) in words.iter_mut().zip(&mut places) {
            (word.start, word.end) = (place.start, place.end);
        }
        if let (Some(first), Some(last)) = (words.first(), words.last()) {
            (segment.start, segment.end) = (first.start, last.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tokens: &[&[u8]], expected: &[(&str, f64, f64)]) {
        let spoken: Vec<_> = tokens
            .iter()
            .enumerate()
            .map(|(index, bytes)| SpokenToken {
                bytes: bytes.to_vec(),
                probability: 0.5,
                start: index as f64,
                end: index as f64 + 1.0,
            })
            .collect();
        let words: Vec<_> = words(&spoken)
            .into_iter()
            .map(|word| (word.word, word.start, word.end))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(word, start, end)| ((*word).to_owned(), *start, *end))
            .collect();
        assert_eq!(words, expected);
    }

    #[test]
    fn words_lie_between_spaces_and_keep_their_punctuation() {
        check(
            &[
                b" Hel", b"lo", b",", b" my", b" (", b"old", b")", b" friend", b".",
            ],
            &[
                ("Hello,", 0.0, 2.0),
                ("my", 3.0, 4.0),
                ("(old)", 4.0, 6.0),
                ("friend.", 7.0, 8.0),
            ],
        );
        check(&[b" 3", b".", b"5"], &[("3.5", 0.0, 3.0)]);
        check(&[], &[]);
    }

    #[test]
    fn characters_without_spaces_are_words_even_if_a_token_cuts_them() {
        let dark = "暗".as_bytes();
        check(
            &[
                "真".as_bytes(),
                "昼間".as_bytes(),
                &dark[..2],
                &dark[2..],
                "。".as_bytes(),
            ],
            &[("真", 0.0, 1.0), ("昼間暗。", 1.0, 4.0)],
        );
    }

    #[test]
    fn words_fill_their_segments_and_what_was_cut_is_gone() {
        let word = |text: &str, start: f64, end: f64| Word {
            word: text.into(),
            start,
            end,
            probability: 1.0,
            speaker: None,
        };
        let segment = |text: &str, words| Segment {
            words: Some(words),
            ..crate::engine::text::segments::tests::segment(text, -0.1, 0.0)
        };
        let mut segments = [
            segment(
                "one two",
                vec![
                    word("one", 0.0, 0.5),
                    word("two", 0.5, 1.0),
                    word("two", 1.0, 1.2),
                ],
            ),
            segment("three", vec![word("three", 1.2, 9.0)]),
        ];
        segments.iter_mut().for_each(drop_cut_words);
        place(&mut segments, &Pauses::of(&vec![0.5; 32_000]), 2.0);
        assert_eq!(
            segments[0].words,
            Some(vec![word("one", 0.0, 0.5), word("two", 0.5, 1.0)])
        );
        assert_eq!((segments[1].start, segments[1].end), (1.0, 2.0));
    }
}

//! Removes words that two runs over adjacent audio both contain, because the cut between them lies inside a word or a phrase. Called by
//! [`retry`](super::retry). A pure function of text.

use steno_models::{Segment, separator};

use super::words::drop_cut_words;

/// Longest text, in words, that is compared as a whole, with one word of it misheard.
const FEW_WORDS: usize = 6;
/// Most words that are compared at the seam.
const MAX_OVERLAP: usize = 12;

/// A word of a segment, or a character where the script has no spaces: its letters and the byte after it.
#[derive(Debug)]
struct Unit {
    letters: String,
    end: usize,
}

/// Removes from `later` the words that also end `earlier`.
pub(super) fn without_overlap(earlier: &[Segment], mut later: Vec<Segment>) -> Vec<Segment> {
    let said: Vec<_> = earlier
        .iter()
        .flat_map(|segment| units(&segment.text))
        .map(|unit| unit.letters)
        .collect();
    let again: Vec<_> = later
        .iter()
        .flat_map(|segment| units(&segment.text))
        .map(|unit| unit.letters)
        .collect();

    if is_repeated_whole(&said, &again) {
        return Vec::new();
    }

    let mut overlap = overlap(&said, &again);
    while overlap > 0
        && let Some(first) = later.first_mut()
    {
        let units = units(&first.text);
        if units.len() <= overlap {
            overlap -= units.len();
            later.remove(0);
            continue;
        }

        let rest =
            first.text[units[overlap - 1].end..].trim_start_matches(|c: char| !c.is_alphanumeric());
        first.text = rest.to_owned();
        drop_cut_words(first);
        overlap = 0;
    }
    later
}

/// Whether `said` ends with the same few words, one of which may differ.
fn is_repeated_whole(said: &[String], again: &[String]) -> bool {
    if again.is_empty() || again.len() > FEW_WORDS {
        return false;
    }
    let end = &said[said.len().saturating_sub(again.len() + 1)..];
    let common = common(end, again);
    let missing = again.len() - common;
    common > 0 && missing <= usize::from(again.len() > 2)
}

/// Length of the longest common subsequence.
fn common(a: &[String], b: &[String]) -> usize {
    let mut lengths = vec![0; b.len() + 1];
    for word in a {
        let mut before = 0;
        for (at, other) in b.iter().enumerate() {
            let above = lengths[at + 1];
            lengths[at + 1] = if word == other {
                before + 1
            } else {
                above.max(lengths[at])
            };
            before = above;
        }
    }
    lengths[b.len()]
}

/// How many words at the start of `again` are also at the end of `said`.
fn overlap(said: &[String], again: &[String]) -> usize {
    let longest = MAX_OVERLAP.min(said.len()).min(again.len());
    (1..=longest)
        .rev()
        .find(|&count| said[said.len() - count..] == again[..count])
        .unwrap_or(0)
}

fn units(text: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut inside = false;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() {
            inside = false;
            continue;
        }
        if !c.is_alphanumeric() {
            // Punctuation belongs to the word before it.
            if let Some(last) = units.last_mut() {
                last.end = at + c.len_utf8();
            }
            continue;
        }

        let letter = c.to_string();
        let is_spaced = !separator(&letter, &letter).is_empty();
        if !inside || !is_spaced {
            units.push(Unit {
                letters: String::new(),
                end: 0,
            });
        }
        inside = is_spaced;
        let unit = units
            .last_mut()
            .expect("one was just made, or is being continued");
        unit.letters.extend(c.to_lowercase());
        unit.end = at + c.len_utf8();
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::text::segments::tests::segment;

    fn check(earlier: &[&str], later: &[&str], expected: &[&str]) {
        let segments = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| segment(text, -0.2, 0.0))
                .collect::<Vec<_>>()
        };
        let left = without_overlap(&segments(earlier), segments(later));
        let texts: Vec<_> = left.iter().map(|segment| segment.text.as_str()).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn the_last_words_said_again_are_removed() {
        check(&["There's nothing going on."], &["It's going on."], &[]);
        check(&["There's nothing going on."], &["Going on."], &[]);
        check(
            &["We left."],
            &["Left.", "Then we went home."],
            &["Then we went home."],
        );
        check(
            &["He was in the"],
            &["the house, and so was she."],
            &["house, and so was she."],
        );
        check(&["私は学生です"], &["学生です。"], &[]);
    }

    #[test]
    fn new_words_stay() {
        check(
            &["There's nothing going on."],
            &["Then we went home."],
            &["Then we went home."],
        );
        check(&["There's nothing going on."], &["Yes."], &["Yes."]);
        check(&[], &["Yes."], &["Yes."]);
        check(&["Yes."], &[], &[]);
    }

    #[test]
    fn words_with_times_are_removed_with_their_text() {
        let word = |word: &str| steno_models::Word {
            word: word.into(),
            start: 0.0,
            end: 1.0,
            probability: 1.0,
            speaker: None,
        };
        let later = Segment {
            words: Some(["the", "house."].map(word).to_vec()),
            ..segment("the house.", -0.2, 0.0)
        };
        let left = without_overlap(&[segment("in the", -0.2, 0.0)], vec![later]);
        assert_eq!(left[0].words, Some(vec![word("house.")]));
    }
}

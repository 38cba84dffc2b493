//! Finds and cuts repetition loops in text. A pure function of text; never sees audio.
//!
//! Only letters and digits are compared, so that scripts without spaces are covered and a missing comma does not hide a loop.

use std::ops::Range;

use steno_models::Segment;

/// Repetitions from which a phrase is a loop: people do say a thing three or four times.
const REPEATS: usize = 5;
/// Shortest loop, in letters, so that laughter is not cut.
const MIN_LETTERS: usize = 30;
/// Shortest phrase, in letters, whose repetition triggers a second run.
const MIN_REPEATED_LETTERS: usize = 8;
/// Longest phrase searched for, in letters.
const MAX_PERIOD: usize = 240;

/// A letter or digit and its position in the text.
struct Letter {
    value: char,
    segment: usize,
    bytes: Range<usize>,
}

/// Whether a phrase follows itself at least five times.
pub(super) fn is_looping(segments: &[Segment]) -> bool {
    find(&letters(segments)).is_some()
}

/// Whether a phrase follows itself at least once, or a short word makes up the text. People repeat themselves too, so a
/// second run decides.
pub(super) fn is_repeating(segments: &[Segment]) -> bool {
    let letters = letters(segments);
    find_repeats(&letters, 2, 2 * MIN_REPEATED_LETTERS).is_some() || is_chant(&letters)
}

/// Whether a word of any length follows itself at least five times and makes up most of the text, as in "la la la la la".
/// People laugh and chant too, so a second run decides.
pub(super) fn is_chanting(segments: &[Segment]) -> bool {
    is_chant(&letters(segments))
}

fn is_chant(letters: &[Letter]) -> bool {
    find_repeats(letters, REPEATS, REPEATS)
        .is_some_and(|repeated| 2 * repeated.len() > letters.len())
}

/// Shortens every loop to its first turn, and drops segments that are then empty.
pub(super) fn cut_loops(mut segments: Vec<Segment>) -> Vec<Segment> {
    loop {
        let letters = letters(&segments);
        let Some(repeated) = find(&letters) else {
            break;
        };
        let mut cuts: Vec<Option<Range<usize>>> = vec![None; segments.len()];
        for index in repeated {
            let end = match letters.get(index + 1) {
                Some(next) if next.segment == letters[index].segment => next.bytes.start,
                _ => segments[letters[index].segment].text.len(),
            };
            let cut = &mut cuts[letters[index].segment];
            let start = cut
                .as_ref()
                .map_or(letters[index].bytes.start, |cut| cut.start);
            *cut = Some(start..end);
        }
        for (segment, cut) in segments.iter_mut().zip(cuts) {
            if let Some(cut) = cut {
                segment.text.replace_range(cut, "");
                segment.text.truncate(segment.text.trim_end().len());
            }
        }
        segments.retain(|segment| segment.text.contains(char::is_alphanumeric));
    }
    segments
}

/// Segments without those that only repeat an earlier one.
pub(super) fn novel(segments: &[Segment]) -> Vec<&Segment> {
    let normalised = |segment: &Segment| {
        segment
            .text
            .chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect::<String>()
    };
    let texts: Vec<_> = segments.iter().map(normalised).collect();
    segments
        .iter()
        .enumerate()
        .filter(|(i, _)| !texts[..*i].contains(&texts[*i]))
        .map(|(_, s)| s)
        .collect()
}

fn letters(segments: &[Segment]) -> Vec<Letter> {
    let mut letters = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        for (at, c) in segment
            .text
            .char_indices()
            .filter(|(_, c)| c.is_alphanumeric())
        {
            let value = c.to_lowercase().next().unwrap_or(c);
            letters.push(Letter {
                value,
                segment: index,
                bytes: at..at + c.len_utf8(),
            });
        }
    }
    letters
}

/// The letters of a loop after its first turn; of several loops, the one with the shortest phrase.
fn find(letters: &[Letter]) -> Option<Range<usize>> {
    find_repeats(letters, REPEATS, MIN_LETTERS)
}

/// The letters after the first turn of a phrase that is said `turns` times or more, over `min_letters` in all.
fn find_repeats(letters: &[Letter], turns: usize, min_letters: usize) -> Option<Range<usize>> {
    for period in 1..=MAX_PERIOD.min(letters.len() / turns) {
        let long_enough = (period * turns).max(min_letters);
        let mut matched = 0;
        for index in period..=letters.len() {
            if index < letters.len() && letters[index].value == letters[index - period].value {
                matched += 1;
                continue;
            }
            if matched + period >= long_enough {
                return Some(index - matched..index);
            }
            matched = 0;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::text::segments::tests::segment;

    fn check(texts: &[&str], expected: &[&str]) {
        let segments: Vec<_> = texts.iter().map(|text| segment(text, -0.2, 0.0)).collect();
        assert_eq!(is_looping(&segments), texts != expected, "{texts:?}");
        let cut: Vec<_> = cut_loops(segments)
            .into_iter()
            .map(|segment| segment.text)
            .collect();
        assert_eq!(cut, expected);
    }

    #[test]
    fn what_people_repeat_is_no_loop() {
        check(&["No, no, no, no, no, no!"], &["No, no, no, no, no, no!"]);
        let thrice = ["The conference will begin when our leader arrives."; 4];
        check(&thrice, &thrice);
        check(&["Ha ha ha ha ha ha ha ha."], &["Ha ha ha ha ha ha ha ha."]);
        check(&[], &[]);
    }

    #[test]
    fn a_sentence_five_times_is_said_once() {
        check(
            &["Thank you for watching."; 9],
            &["Thank you for watching."],
        );
        check(
            &[
                "So we began.",
                &"I'm going to be careful. ".repeat(7),
                "Then it ended.",
            ],
            &["So we began.", "I'm going to be careful.", "Then it ended."],
        );
    }

    #[test]
    fn loops_are_found_inside_segments_across_them_and_without_spaces() {
        check(
            &[&"ご視聴ありがとうございました".repeat(6)],
            &["ご視聴ありがとうございました"],
        );
        check(
            &[
                "and then and then and then",
                "and then and then and then and then",
            ],
            &["and then"],
        );
    }

    #[test]
    fn a_phrase_said_twice_is_repeated_and_a_short_word_is_not() {
        let check = |texts: &[&str], expected: bool| {
            let segments: Vec<_> = texts.iter().map(|text| segment(text, -0.2, 0.0)).collect();
            assert_eq!(is_repeating(&segments), expected, "{texts:?}");
        };
        check(
            &["He could wait no longer.", "He could wait no longer."],
            true,
        );
        check(&["He could wait. He could wait. Then he left."], true);
        check(&["No, no, no!"], false);
        check(&["No, no, no, no, no!"], true);
        check(
            &["No, no, no, no, no! I will not go there any more."],
            false,
        );
        check(&["One, two, three, four, five, six."], false);
        check(
            &["Ask not what your country can do for you, ask what you can do for your country."],
            false,
        );
    }

    #[test]
    fn a_repeated_segment_is_not_novel() {
        let segments = ["One thing.", "One thing", "Another."].map(|text| segment(text, -0.2, 0.0));
        let texts: Vec<_> = novel(&segments)
            .iter()
            .map(|segment| segment.text.as_str())
            .collect();
        assert_eq!(texts, ["One thing.", "Another."]);
    }
}

//! Cuts a transcript into the pieces that a line may be broken between, each with the time when it is spoken.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::cue_text;
use crate::{Segment, separator};

/// A piece of text that is not broken: a word, or a character of a script without spaces.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    /// Columns that the text takes.
    pub(super) columns: usize,
    /// Whether a space precedes it in the text.
    pub(super) is_spaced: bool,
    /// Seconds from the start of the recording.
    pub(super) start: f64,
    /// Seconds from the start of the recording, never before `start`.
    pub(super) end: f64,
}

/// How strongly the text pauses after a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pause {
    /// In the middle of a clause.
    None,
    /// After a comma, a colon or a dash.
    Clause,
    /// At the end of a sentence.
    Sentence,
}

/// The pieces of all segments, in order. `width` is the length of a line in columns.
pub(super) fn of(segments: &[Segment], width: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut before = String::new();

    for segment in segments {
        let text = cue_text(&segment.text);
        if text.is_empty() {
            continue;
        }
        let is_spaced = separator(&before, &text) == " ";
        push_pieces(&text, is_spaced, width, segment, &mut pieces);
        before = text;
    }
    keep_order(&mut pieces);
    pieces
}

/// Letters of a short word.
const SHORT_WORD: usize = 3;

impl Piece {
    /// Whether it has at most three letters, none of them wide.
    pub(super) fn is_short_word(&self) -> bool {
        let letters = self.text.chars().count();
        letters <= SHORT_WORD && self.columns == letters
    }

    /// How strongly the text pauses after it.
    pub(super) fn pause(&self) -> Pause {
        let mut marks = self.text.chars().rev().skip_while(|c| is_bracket(*c));
        match marks.next() {
            Some('.' | '!' | '?' | '…' | '。' | '！' | '？' | '؟' | '।' | '۔') => {
                Pause::Sentence
            }
            Some(',' | ';' | ':' | '、' | '，' | '；' | '：' | '،' | '؛' | '—' | '–') => {
                Pause::Clause
            }
            _ => Pause::None,
        }
    }
}

/// Cuts one segment's text, and gives each piece its share of the segment's time.
fn push_pieces(
    text: &str,
    is_spaced: bool,
    width: usize,
    segment: &Segment,
    pieces: &mut Vec<Piece>,
) {
    let first = pieces.len();
    for (index, word) in text.split(' ').enumerate() {
        let mut is_spaced = index > 0 || is_spaced;
        for part in unbroken_parts(word, width) {
            pieces.push(Piece {
                text: part.to_owned(),
                columns: part.width(),
                is_spaced,
                start: segment.start,
                end: segment.end,
            });
            is_spaced = false;
        }
    }

    let times = Times::of(segment, text);
    let mut passed = 0;
    for piece in &mut pieces[first..] {
        piece.start = times.start_at(passed);
        passed += letters(&piece.text).count();
        piece.end = times.end_at(passed).max(piece.start);
    }
}

/// Overlapping segments must not move a piece before the one that it follows.
fn keep_order(pieces: &mut [Piece]) {
    let mut latest = 0.0_f64;
    for piece in pieces {
        piece.start = piece.start.max(latest);
        piece.end = piece.end.max(piece.start);
        latest = piece.start;
    }
}

/// When the letters of a segment are spoken: by its words where they have times, else evenly.
///
/// A person may have edited the text since its words were timed. The letters before and after the edit keep their times, and
/// those of the edit share the time between.
struct Times {
    /// For each word: letters up to its end, start and end in seconds.
    words: Vec<(usize, f64, f64)>,
    /// Letters of the text.
    text: usize,
    /// Letters at the beginning that the text and the words have in common.
    same_before: usize,
    /// Letters at the end that the text and the words have in common.
    same_after: usize,
}

impl Times {
    fn of(segment: &Segment, text: &str) -> Self {
        let text: Vec<char> = letters(text).collect();
        let mut timed: Vec<char> = Vec::new();
        let mut words = Vec::new();
        for word in segment.words.iter().flatten() {
            timed.extend(letters(&word.word));
            words.push((timed.len(), word.start, word.end));
        }
        if timed.is_empty() {
            timed.clone_from(&text);
            words = vec![(text.len(), segment.start, segment.end)];
        }

        let pairs = text.iter().zip(&timed);
        let same_before = pairs.take_while(|(a, b)| a == b).count();
        let rests = text[same_before..]
            .iter()
            .rev()
            .zip(timed[same_before..].iter().rev());
        Self {
            same_after: rests.take_while(|(a, b)| a == b).count(),
            text: text.len(),
            same_before,
            words,
        }
    }

    /// When the letter after so many is begun.
    fn start_at(&self, letters: usize) -> f64 {
        let letter = self.timed_letter(letters);
        self.time(letter, |word_end| letter < word_end - 1e-6)
    }

    /// When the last of so many letters ends.
    fn end_at(&self, letters: usize) -> f64 {
        let letter = self.timed_letter(letters);
        self.time(letter, |word_end| letter < word_end + 1e-6)
    }

    /// The letter of the timed words where a letter of the text is spoken.
    fn timed_letter(&self, letters: usize) -> f64 {
        let timed = self.words.last().map_or(0, |word| word.0);
        if letters <= self.same_before {
            return letters as f64;
        }
        if letters + self.same_after >= self.text {
            return (timed + letters - self.text) as f64;
        }
        let edited = self.text - self.same_before - self.same_after;
        let replaced = timed - self.same_before - self.same_after;
        let share = (letters - self.same_before) as f64 / edited as f64;
        self.same_before as f64 + replaced as f64 * share
    }

    fn time(&self, letter: f64, is_before: impl Fn(f64) -> bool) -> f64 {
        let mut before = 0;
        for (after, start, end) in &self.words {
            if *after > before && is_before(*after as f64) {
                let inside = (letter - before as f64) / (after - before) as f64;
                return start + (end - start) * inside.clamp(0.0, 1.0);
            }
            before = *after;
        }
        self.words.last().map_or(0.0, |word| word.2)
    }
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_whitespace())
}

/// The parts of a word without spaces. A wide character may be broken off unless punctuation follows it. A text of a
/// script that has no spaces, as Thai, is broken only where it is longer than a line.
fn unbroken_parts(word: &str, width: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut columns = 0;
    let mut previous: Option<char> = None;

    for (at, c) in word.char_indices() {
        let own = c.width().unwrap_or(0);
        let is_too_long = columns + own > width && own > 0 && is_spaceless(c);
        let is_between = previous.is_some_and(|before| {
            (is_wide(before) || is_wide(c) || is_too_long) && !is_closing(c) && !is_opening(before)
        });
        if is_between {
            parts.push(&word[start..at]);
            start = at;
            columns = 0;
        }
        columns += own;
        previous = Some(c);
    }
    parts.push(&word[start..]);
    parts
}

/// Characters that take two columns: a line may end after each.
pub(super) fn is_wide(c: char) -> bool {
    c.width() == Some(2)
}

/// Narrow characters of scripts without spaces between words: Thai, Lao, Burmese and Khmer.
fn is_spaceless(c: char) -> bool {
    matches!(c, '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}')
}

fn is_bracket(c: char) -> bool {
    matches!(
        c,
        '"' | '\'' | ')' | ']' | '}' | '”' | '’' | '»' | '」' | '』' | '）'
    )
}

/// Punctuation that a line must not begin with.
fn is_closing(c: char) -> bool {
    matches!(
        c,
        '。' | '、'
            | '，'
            | '．'
            | '！'
            | '？'
            | '：'
            | '；'
            | '」'
            | '』'
            | '）'
            | '】'
            | '》'
            | '〉'
            | '”'
            | '’'
            | 'ー'
            | '…'
            | '%'
            | '.'
            | ','
            | '!'
            | '?'
            | ':'
            | ';'
            | ')'
            | ']'
            | '}'
    )
}

/// Punctuation that a line must not end with.
fn is_opening(c: char) -> bool {
    matches!(
        c,
        '「' | '『' | '（' | '【' | '《' | '〈' | '“' | '‘' | '(' | '[' | '{'
    )
}

//! Decides where one cue ends and the next begins, and how long each is shown. A pure function of pieces and their times.
//!
//! Among all ways to cut the text, the one of least cost is taken (dynamic programming over the pieces). What a cue must never do
//! is not allowed at all; what it rather should not do has a cost. The costs were weighed on real recordings
//! (`cargo run -p steno-e2e --example subtitles`).

use super::Cue;
use super::lines::{break_lines, columns};
use super::pieces::{Pause, Piece};

/// Seconds that a cue is shown at least, where the next one leaves room.
const SHORTEST: f64 = 1.0;
/// Seconds that a cue is shown at most.
const LONGEST: f64 = 7.0;
/// Columns a second that people can read.
const READING_SPEED: f64 = 20.0;
/// Seconds between two cues: two frames of film at 24 a second, rounded up to a millisecond.
const GAP: f64 = 0.084;
/// Seconds of silence that always end a cue.
const LONG_SILENCE: f64 = 1.5;
/// Seconds of silence that a cue may hold at no cost.
const SHORT_SILENCE: f64 = 0.3;
/// Seconds that a cue may begin before its first word, to give it time to be read.
const EARLIEST: f64 = 0.2;

/// Cost of each cue. Keeps cues from being short without a reason.
const CUE: f64 = 1.0;
/// Cost of ending a cue after a comma.
const CLAUSE_END: f64 = 0.8;
/// Cost of ending a cue in the middle of a clause.
const WORD_END: f64 = 2.4;
/// Further cost if the last word is short: it is often an article or a preposition that belongs to the next.
const SHORT_WORD_END: f64 = 0.8;
/// Cost of a second of silence inside a cue, and gain of a second of silence after it.
const SILENCE: f64 = 2.0;
/// Cost of a cue that is shown too short, for each second that lacks.
const TOO_SHORT: f64 = 6.0;
/// Cost of a cue that must be read at twice the reading speed.
const TOO_FAST: f64 = 6.0;
/// Cost of a cue of one word.
const ORPHAN: f64 = 5.0;
/// Cost of a sentence of which one or two words stand at the end of a cue and the others in the next.
const TORN: f64 = 1.5;

/// How much text a cue holds.
#[derive(Clone, Copy)]
pub(super) struct Size {
    /// Columns of a line.
    pub(super) columns: usize,
    /// Lines of a cue.
    pub(super) lines: usize,
}

/// The cues of a text.
pub(super) fn cut(pieces: &[Piece], size: Size) -> Vec<Cue> {
    let ends = ends(pieces, size);
    let mut cues: Vec<Cue> = Vec::with_capacity(ends.len());
    let mut first = 0;

    for end in ends {
        let own = &pieces[first..end];
        let earliest = cues.last().map_or(0.0, |cue| cue.end + GAP);
        let next_start = pieces.get(end).map_or(f64::INFINITY, |piece| piece.start);
        let (start, shown_until) = shown(own, earliest, next_start);
        cues.push(Cue {
            start,
            end: shown_until,
            lines: break_lines(own, size.columns),
        });
        first = end;
    }
    cues
}

/// When a cue is shown: while its words are spoken, and longer if it cannot be read in that time.
fn shown(pieces: &[Piece], earliest: f64, next_start: f64) -> (f64, f64) {
    let spoken_from = pieces[0].start.max(earliest);
    let spoken_until = pieces[pieces.len() - 1].end;
    let needed = (columns(pieces) as f64 / READING_SPEED).clamp(SHORTEST, LONGEST);

    // The next cue keeps its time even where it follows at once; a cue of no length would not be shown at all.
    let latest = (next_start - GAP).max(spoken_from + GAP);
    let end = spoken_until
        .max(spoken_from + needed)
        .min(spoken_from + LONGEST)
        .min(latest);
    let lacks = (needed - (end - spoken_from)).clamp(0.0, EARLIEST);
    let start = (spoken_from - lacks)
        .max(earliest.min(spoken_from))
        .max(0.0);
    (to_millisecond(start), to_millisecond(end))
}

/// Rounds as the formats do, so that a gap keeps its length when it is written.
fn to_millisecond(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Where cues end: indices of the pieces after their last.
fn ends(pieces: &[Piece], size: Size) -> Vec<usize> {
    // best[end]: least cost of cutting pieces[..end] into cues, and where the last of them begins.
    let mut best = vec![(f64::INFINITY, 0); pieces.len() + 1];
    best[0] = (0.0, 0);

    for start in 0..pieces.len() {
        let so_far = best[start].0;
        let mut cue = Growing::new(pieces, start);
        for (end, best) in best.iter_mut().enumerate().skip(start + 1) {
            if end > start + 1 {
                cue.push(size.columns);
                if !cue.is_allowed(size) {
                    break;
                }
            }
            let cost = so_far + cue.cost();
            if cost < best.0 {
                *best = (cost, start);
            }
        }
    }

    let mut ends = Vec::new();
    let mut end = pieces.len();
    while end > 0 {
        ends.push(end);
        end = best[end].1;
    }
    ends.reverse();
    ends
}

/// A cue that grows piece by piece. What its cost needs is summed up on the way: a cue of many lines has many pieces.
struct Growing<'a> {
    pieces: &'a [Piece],
    start: usize,
    end: usize,
    /// Lines if each is filled before the next begins, and columns of the last one.
    lines: usize,
    used: usize,
    columns: usize,
    /// Words; of scripts without spaces, see [`Growing::word_count`].
    spaced_words: usize,
    /// Cost of the silences inside.
    silences: f64,
    /// Words after the last end of a sentence inside, if there is one.
    tail_words: Option<usize>,
}

impl<'a> Growing<'a> {
    fn new(pieces: &'a [Piece], start: usize) -> Self {
        let columns = pieces[start].columns;
        Self {
            pieces,
            start,
            end: start + 1,
            lines: 1,
            used: columns,
            columns,
            spaced_words: 1,
            silences: 0.0,
            tail_words: None,
        }
    }

    fn push(&mut self, width: usize) {
        let before = &self.pieces[self.end - 1];
        let piece = &self.pieces[self.end];
        self.end += 1;

        let space = usize::from(piece.is_spaced);
        if self.used + space + piece.columns > width {
            self.lines += 1;
            self.used = piece.columns;
        } else {
            self.used += space + piece.columns;
        }
        self.columns += space + piece.columns;
        self.spaced_words += space;

        let silence = piece.start - before.end;
        self.silences += (silence - SHORT_SILENCE).max(0.0) * SILENCE;
        if before.pause() == Pause::Sentence {
            self.tail_words = Some(1);
        } else if let Some(words) = &mut self.tail_words {
            *words += space;
        }
    }

    /// Whether the pieces may be one cue.
    fn is_allowed(&self, size: Size) -> bool {
        let last = &self.pieces[self.end - 1];
        let silence = last.start - self.pieces[self.end - 2].end;
        silence < LONG_SILENCE
            && last.end - self.pieces[self.start].start <= LONGEST
            && self.lines <= size.lines
    }

    /// How bad the pieces would be as a cue.
    fn cost(&self) -> f64 {
        let last = &self.pieces[self.end - 1];
        let next = self.pieces.get(self.end);
        let silence_after = next.map_or(f64::INFINITY, |next| next.start - last.end);
        let mut cost = CUE + self.silences + end_cost(last, next.is_none(), silence_after);

        // Time to read it, up to the next cue.
        let until = next.map_or(f64::INFINITY, |next| next.start - GAP);
        let available = (until - self.pieces[self.start].start).clamp(GAP, LONGEST);
        let needed = self.columns as f64 / READING_SPEED;
        cost += (SHORTEST - available).max(0.0) * TOO_SHORT;
        cost += (needed / available - 1.0).clamp(0.0, 2.0) * TOO_FAST;

        if self.word_count() == 1 && !self.stands_alone(silence_after) {
            cost += ORPHAN;
        }
        if last.pause() != Pause::Sentence && self.tail_words.is_some_and(|words| words <= 2) {
            cost += TORN;
        }
        cost
    }

    /// Words; of a text without spaces, pairs of wide characters.
    fn word_count(&self) -> usize {
        if self.spaced_words == 1 && self.end - self.start > 1 {
            return self.columns.div_ceil(4);
        }
        self.spaced_words
    }

    /// Whether it is a sentence of its own, or has a long silence on both sides.
    fn stands_alone(&self, silence_after: f64) -> bool {
        let first = &self.pieces[self.start];
        let before = self.start.checked_sub(1).map(|index| &self.pieces[index]);
        let begins = before.is_none_or(|before| {
            before.pause() == Pause::Sentence || first.start - before.end >= LONG_SILENCE
        });
        let last = &self.pieces[self.end - 1];
        begins && (last.pause() == Pause::Sentence || silence_after >= LONG_SILENCE)
    }
}

/// Cost of ending a cue after `last`.
fn end_cost(last: &Piece, is_end: bool, silence_after: f64) -> f64 {
    if is_end || silence_after >= LONG_SILENCE {
        return 0.0;
    }
    let by_text = match last.pause() {
        Pause::Sentence => 0.0,
        Pause::Clause => CLAUSE_END,
        Pause::None if last.is_short_word() => WORD_END + SHORT_WORD_END,
        Pause::None => WORD_END,
    };
    by_text - silence_after.clamp(0.0, 1.0) * SILENCE
}

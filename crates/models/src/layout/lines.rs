//! Breaks the pieces of one cue into lines. A pure function; knows no time.

use super::pieces::{Pause, Piece};

/// Cost of a line that ends in the middle of a clause, in squared columns. About six columns of imbalance.
const WORD_BREAK: usize = 36;
/// Further cost if the last word is short: it is often an article or a preposition that belongs to the next.
const SHORT_WORD_BREAK: usize = 28;
/// Cost of a line that ends after a comma.
const CLAUSE_BREAK: usize = 4;

/// Columns of the pieces on one line.
pub(super) fn columns(pieces: &[Piece]) -> usize {
    pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| piece.columns + usize::from(index > 0 && piece.is_spaced))
        .sum()
}

/// Lines that the pieces take if each line is filled before the next begins: the fewest possible.
fn fewest_lines(pieces: &[Piece], width: usize) -> usize {
    let mut lines = 1;
    let mut used = 0;
    for piece in pieces {
        let space = usize::from(used > 0 && piece.is_spaced);
        if used > 0 && used + space + piece.columns > width {
            lines += 1;
            used = piece.columns;
        } else {
            used += space + piece.columns;
        }
    }
    lines
}

/// The fewest lines of at most `width` columns, about equally long, rather broken after punctuation. A wider piece gets a line
/// to itself.
pub(super) fn break_lines(pieces: &[Piece], width: usize) -> Vec<String> {
    let count = fewest_lines(pieces, width);
    let target = columns(pieces).div_ceil(count);

    // best[lines][end]: least cost of breaking pieces[..end] into so many lines, and where the last line begins.
    let unknown = (usize::MAX, 0);
    let mut best = vec![vec![unknown; pieces.len() + 1]; count + 1];
    best[0][0] = (0, 0);
    for lines in 1..=count {
        for end in 1..=pieces.len() {
            let mut line = 0;
            for start in (0..end).rev() {
                // The space before the piece that began the line until now.
                line += usize::from(start + 1 < end && pieces[start + 1].is_spaced);
                line += pieces[start].columns;
                if line > width && end - start > 1 {
                    break;
                }
                let before = best[lines - 1][start].0;
                if before == usize::MAX {
                    continue;
                }
                let imbalance = line.abs_diff(target).pow(2);
                let cost = before + imbalance + break_cost(&pieces[..end], pieces.len());
                if cost < best[lines][end].0 {
                    best[lines][end] = (cost, start);
                }
            }
        }
    }

    let mut lines = Vec::new();
    let mut end = pieces.len();
    for row in best.iter().skip(1).rev() {
        let start = row[end].1;
        lines.push(join(&pieces[start..end]));
        end = start;
    }
    lines.reverse();
    lines
}

/// Cost of ending a line after the last of `pieces`.
fn break_cost(pieces: &[Piece], all: usize) -> usize {
    let Some(last) = pieces.last().filter(|_| pieces.len() < all) else {
        return 0;
    };
    match last.pause() {
        Pause::Sentence => 0,
        Pause::Clause => CLAUSE_BREAK,
        Pause::None if last.is_short_word() => WORD_BREAK + SHORT_WORD_BREAK,
        Pause::None => WORD_BREAK,
    }
}

fn join(pieces: &[Piece]) -> String {
    let mut line = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        if index > 0 && piece.is_spaced {
            line.push(' ');
        }
        line.push_str(&piece.text);
    }
    line
}

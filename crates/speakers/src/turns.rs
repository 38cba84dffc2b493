//! Turns: when each speaker of the recording speaks. Made of runs and of the speakers of their pieces.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::{
    runs::{Piece, Run},
    timeline::sample_of,
};

/// Samples of a pause within which a speaker is taken to go on: 0.25 s.
const JOINED_SAMPLES: u64 = 4000;

/// A stretch in which one speaker speaks. Turns of different speakers may overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// First sample, at 16 kHz.
    pub start: u64,
    /// First sample after it.
    pub end: u64,
    /// The speaker, counted from 0 in the order of the first turns.
    pub speaker: usize,
}

/// The turns of all runs, in order, with the label of each speaker. `labels` are those of `pieces`.
pub(crate) fn turns(
    runs: &[Run],
    pieces: &[Piece],
    labels: &[usize],
    samples: usize,
) -> (Vec<Turn>, Vec<usize>) {
    let local = majorities(pieces, labels);
    let mut frames: Vec<(usize, usize, usize)> = Vec::new();
    let mut next = 0;
    for run in runs {
        let from = next;
        while next < pieces.len() && pieces[next].from < run.to {
            next += 1;
        }
        if next > from {
            let own = from..next;
            frames.extend(own.map(|at| (pieces[at].from, pieces[at].to, labels[at])));
            continue;
        }

        let mut voices: Vec<usize> = (0..3)
            .filter(|bit| run.speakers >> bit & 1 == 1)
            .filter_map(|bit| local.get(&(run.window, 1 << bit)).copied())
            .collect();
        voices.sort_unstable();
        voices.dedup();
        if voices.is_empty() {
            // A recording without pieces is one short answer.
            voices.push(nearest(pieces, labels, run).unwrap_or(0));
        }
        frames.extend(voices.into_iter().map(|voice| (run.from, run.to, voice)));
    }
    joined(&frames, samples)
}

/// The speaker of most frames of each local speaker of a window.
fn majorities(pieces: &[Piece], labels: &[usize]) -> HashMap<(usize, u8), usize> {
    let mut frames: BTreeMap<(usize, u8), BTreeMap<usize, usize>> = BTreeMap::new();
    for (piece, label) in pieces.iter().zip(labels) {
        let counts = frames.entry((piece.window, piece.speaker)).or_default();
        *counts.entry(*label).or_default() += piece.to - piece.from;
    }
    frames
        .into_iter()
        .filter_map(|(local, counts)| {
            let most = counts
                .into_iter()
                .max_by_key(|(label, frames)| (*frames, usize::MAX - label));
            most.map(|(label, _)| (local, label))
        })
        .collect()
}

/// The speaker of the piece nearest in time.
fn nearest(pieces: &[Piece], labels: &[usize], run: &Run) -> Option<usize> {
    let after = pieces.partition_point(|piece| piece.from < run.to);
    let before = after.checked_sub(1);
    let away = |index: usize| {
        if pieces[index].from >= run.to {
            pieces[index].from - run.to
        } else {
            run.from.saturating_sub(pieces[index].to)
        }
    };
    let candidates = before
        .into_iter()
        .chain((after < pieces.len()).then_some(after));
    candidates
        .min_by_key(|index| away(*index))
        .map(|index| labels[index])
}

/// Joins neighbours of one speaker, and numbers speakers by their first turn.
fn joined(frames: &[(usize, usize, usize)], samples: usize) -> (Vec<Turn>, Vec<usize>) {
    let mut last: HashMap<usize, usize> = HashMap::new();
    let mut turns: Vec<Turn> = Vec::new();
    for (from, to, speaker) in frames {
        let start = sample_of(*from).min(samples) as u64;
        let end = sample_of(*to).min(samples) as u64;
        if start >= end {
            continue;
        }
        if let Some(index) = last.get(speaker)
            && start <= turns[*index].end + JOINED_SAMPLES
        {
            turns[*index].end = turns[*index].end.max(end);
            continue;
        }
        last.insert(*speaker, turns.len());
        turns.push(Turn {
            start,
            end,
            speaker: *speaker,
        });
    }
    turns.sort_by_key(|turn| (turn.start, turn.end, turn.speaker));

    let mut labels: Vec<usize> = Vec::new();
    for turn in &mut turns {
        let known = labels.iter().position(|label| *label == turn.speaker);
        let number = known.unwrap_or_else(|| {
            labels.push(turn.speaker);
            labels.len() - 1
        });
        turn.speaker = number;
    }
    (turns, labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_of_one_answer_too_short_to_embed_has_a_speaker() {
        let answer = Run {
            window: 0,
            speakers: 0b010,
            from: 2,
            to: 14,
        };
        assert!(answer.pieces().is_empty());

        let (turns, labels) = turns(&[answer], &[], &[], 16_000);
        assert_eq!(labels, [0]);
        assert_eq!(turns.len(), 1);
        assert_eq!((turns[0].speaker, turns[0].end), (0, 14 * 270 + 360));
    }

    #[test]
    fn turns_of_two_who_speak_at_once_overlap() {
        let run = |speakers, from, to| Run {
            window: 0,
            speakers,
            from,
            to,
        };
        let runs = [
            run(0b001, 0, 100),
            run(0b011, 100, 140),
            run(0b010, 140, 240),
        ];
        let pieces: Vec<Piece> = runs.iter().flat_map(Run::pieces).collect();
        let labels: Vec<usize> = pieces
            .iter()
            .map(|piece| usize::from(piece.speaker == 0b010))
            .collect();

        let (turns, _) = turns(&runs, &pieces, &labels, 1_000_000);
        let turns: Vec<_> = turns
            .iter()
            .map(|turn| (turn.speaker, turn.start, turn.end))
            .collect();
        let at = |frame| sample_of(frame) as u64;
        assert_eq!(turns, [(0, at(0), at(140)), (1, at(100), at(240))]);
    }
}

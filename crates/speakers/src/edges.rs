//! Where the speaker changes within a run. Pieces are 0.75 s long, so their own edges are too coarse. An embedding of sound with a
//! change resembles both speakers in proportion to their shares. The change is placed where the similarity to both is equal.

use crate::{cluster::Voice, linkage::dot, runs::Piece};

/// The pieces with the edges between different speakers moved. `voices` and `labels` are those of the pieces.
pub(crate) fn moved_edges(
    pieces: &[Piece],
    voices: &[Voice],
    labels: &[usize],
    centroids: &[Vec<f32>],
) -> Vec<Piece> {
    let mut moved = pieces.to_vec();
    for next in 1..pieces.len() {
        let (left, right) = (labels[next - 1], labels[next]);
        if left == right || !follows(&pieces[next - 1], &pieces[next]) {
            continue;
        }

        // Similarity to the left speaker minus similarity to the right one: positive in the first piece, negative in the next.
        let lead = |index: usize| {
            let vector = &voices[index].vector;
            dot(&centroids[left], vector) - dot(&centroids[right], vector)
        };
        let (before, after) = (lead(next - 1), lead(next));
        let share = before / (before - after).max(f32::EPSILON);
        let (from, to) = (middle(&pieces[next - 1]), middle(&pieces[next]));
        let edge = from + share * (to - from);

        let earliest = moved[next - 1].from + 1;
        let latest = moved[next].to - 1;
        let edge = (edge.round() as usize).clamp(earliest, latest.max(earliest));
        moved[next - 1].to = edge;
        moved[next].from = edge;
    }
    moved
}

/// Whether a piece begins where the one before it ends, in the same run.
fn follows(before: &Piece, piece: &Piece) -> bool {
    before.window == piece.window && before.speaker == piece.speaker && before.to == piece.from
}

/// The middle of the frames that were embedded.
fn middle(piece: &Piece) -> f32 {
    (piece.wide_from + piece.wide_to) as f32 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedding::DIMENSIONS;

    /// Three pieces of a run: windows of 90 frames, 45 apart.
    const PIECES: [(usize, usize, usize); 3] = [(0, 67, 0), (67, 112, 45), (112, 180, 90)];

    fn pieces() -> Vec<Piece> {
        let piece = |(from, to, wide_from)| Piece {
            window: 0,
            speaker: 1,
            from,
            to,
            wide_from,
            wide_to: wide_from + 90,
        };
        PIECES.map(piece).to_vec()
    }

    /// The embedding of a mixture: the share `first` is the first speaker, the rest the second.
    fn voice(first: f32) -> Voice {
        let mut vector = vec![0.0; DIMENSIONS];
        vector[0] = first;
        vector[1] = 1.0 - first;
        Voice {
            vector,
            embedded_seconds: 1.5,
            seconds: 0.75,
        }
    }

    fn centroids() -> Vec<Vec<f32>> {
        vec![voice(1.0).vector, voice(0.0).vector]
    }

    fn edges(pieces: &[Piece], shares: [f32; 3], labels: [usize; 3]) -> Vec<(usize, usize)> {
        let voices = shares.map(voice);
        moved_edges(pieces, &voices, &labels, &centroids())
            .iter()
            .map(|piece| (piece.from, piece.to))
            .collect()
    }

    #[test]
    fn the_edge_is_where_both_speakers_are_equally_near() {
        // The change lies at 75 % of the distance between the middles of the two windows.
        let found = edges(&pieces(), [1.0, 1.0 / 3.0, 0.0], [0, 1, 1]);
        assert_eq!(found, [(0, 79), (79, 112), (112, 180)]);
        let found = edges(&pieces(), [1.0, 2.0 / 3.0, 0.0], [0, 0, 1]);
        assert_eq!(found, [(0, 67), (67, 101), (101, 180)]);
    }

    #[test]
    fn edges_within_a_speaker_and_between_runs_stay() {
        let own = PIECES.map(|(from, to, _)| (from, to));
        assert_eq!(edges(&pieces(), [1.0, 0.8, 0.9], [0, 0, 0]), own);

        let mut apart = pieces();
        apart[1].speaker = 2;
        apart[2].window = 1;
        assert_eq!(edges(&apart, [1.0, 0.3, 0.9], [0, 1, 0]), own);
    }

    #[test]
    fn no_piece_is_lost() {
        // Likenesses that contradict the labels.
        for shares in [[0.5, 0.5, 0.5], [0.0, 1.0, 0.0], [0.6, 0.4, 0.6]] {
            let found = edges(&pieces(), shares, [0, 1, 0]);
            assert!(found.iter().all(|(from, to)| from < to), "{found:?}");
            assert_eq!((found[0].0, found[2].1), (0, 180));
        }
    }
}

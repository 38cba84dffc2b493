//! Pieces of speech: windows of it, and cutting it at pauses. Works on sample positions; the samples are passed in.

use crate::audio::SAMPLE_RATE;

/// Stretches of the spool from the first sample up to and without the second, in order and disjoint.
pub(super) type Piece = Vec<(u64, u64)>;

/// Longest piece: 8 s. A sentence or two; longer ones would more often hold two languages.
const MAX_PIECE: usize = 8 * SAMPLE_RATE as usize;
/// Shortest piece that a cut leaves: 2 s. Less says too little of the language.
const MIN_PIECE: usize = 2 * SAMPLE_RATE as usize;
/// Width of the silence at a cut: 300 ms.
const PAUSE: usize = 4_800;

/// Samples of all stretches together.
pub(super) fn duration(piece: &[(u64, u64)]) -> u64 {
    piece
        .iter()
        .map(|(start, end)| end.saturating_sub(*start))
        .sum()
}

/// The part of a piece from `start` up to and without `end`, counted in samples of the piece.
pub(super) fn window(piece: &[(u64, u64)], start: u64, end: u64) -> Piece {
    let mut passed = 0;
    let mut found = Vec::new();
    for (first, last) in piece {
        let length = last.saturating_sub(*first);
        let from = start.clamp(passed, passed + length) - passed;
        let to = end.clamp(passed, passed + length) - passed;
        if from < to {
            found.push((first + from, first + to));
        }
        passed += length;
    }
    found
}

/// Cuts a piece at its pauses until all parts are short. `samples` are those of the piece.
pub(super) fn cut(piece: &[(u64, u64)], samples: &[f32]) -> Vec<Piece> {
    let mut edges = Vec::new();
    let mut passed = 0;
    for (start, end) in piece {
        passed += end.saturating_sub(*start) as usize;
        edges.push(passed);
    }

    let mut cuts = vec![0, samples.len()];
    split(0, samples.len(), samples, &edges, &mut cuts);
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|pair| window(piece, pair[0] as u64, pair[1] as u64))
        .filter(|part| !part.is_empty())
        .collect()
}

/// Adds cuts between `start` and `end`, the best pause first.
fn split(start: usize, end: usize, samples: &[f32], edges: &[usize], cuts: &mut Vec<usize>) {
    if end - start <= MAX_PIECE {
        return;
    }
    let first = start + MIN_PIECE;
    let last = end - MIN_PIECE;

    // Between two stretches lies a pause of which the samples show only the ends.
    let middle = usize::midpoint(start, end);
    let edge = edges
        .iter()
        .copied()
        .filter(|edge| (first..=last).contains(edge));
    let edge = edge.min_by_key(|edge| edge.abs_diff(middle));
    let at = edge.unwrap_or_else(|| quietest(samples, first, last));

    cuts.push(at);
    split(start, at, samples, edges, cuts);
    split(at, end, samples, edges, cuts);
}

/// The middle of the quietest 300 ms between two positions.
fn quietest(samples: &[f32], first: usize, last: usize) -> usize {
    let energy = |at: usize| {
        samples[at - PAUSE / 2..at + PAUSE / 2]
            .iter()
            .map(|s| s * s)
            .sum::<f32>()
    };
    let places = (first..=last).step_by(PAUSE / 4);
    places
        .min_by(|a, b| energy(*a).total_cmp(&energy(*b)))
        .unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_along_the_stretches() {
        let piece = [(100, 200), (300, 400)];
        assert_eq!(window(&piece, 0, 50), [(100, 150)]);
        assert_eq!(window(&piece, 50, 150), [(150, 200), (300, 350)]);
        assert_eq!(window(&piece, 100, 500), [(300, 400)]);
        assert!(window(&piece, 200, 300).is_empty());
    }

    /// Cuts sound with silences, given in tenths of a second, and checks that nothing is lost and all parts are short.
    fn check(piece: &[(u64, u64)], silences: &[(usize, usize)]) -> Vec<Piece> {
        let mut samples = vec![0.5; duration(piece) as usize];
        for (start, end) in silences {
            samples[start * 1_600..end * 1_600].fill(0.0);
        }

        let parts = cut(piece, &samples);
        assert_eq!(
            parts.iter().map(|part| duration(part)).sum::<u64>(),
            duration(piece)
        );
        let flat: Vec<_> = parts.iter().flatten().copied().collect();
        assert!(flat.is_sorted_by(|a, b| a.1 <= b.0), "{flat:?}");
        for part in &parts {
            let length = duration(part) as usize;
            assert!(
                length <= MAX_PIECE && (length >= MIN_PIECE || parts.len() == 1),
                "{part:?}"
            );
        }
        parts
    }

    #[test]
    fn short_pieces_stay_whole() {
        assert_eq!(check(&[(0, 16_000)], &[]), [[(0, 16_000)]]);
        assert_eq!(check(&[(0, 64_000), (80_000, 144_000)], &[]).len(), 1);
    }

    #[test]
    fn cuts_lie_in_pauses() {
        let parts = check(&[(0, 192_000)], &[(70, 74)]);
        assert_eq!(parts.len(), 2);
        assert!((112_000..118_400).contains(&parts[0][0].1), "{parts:?}");
    }

    #[test]
    fn cuts_between_stretches_come_first() {
        let parts = check(&[(0, 80_000), (96_000, 160_000)], &[(20, 24)]);
        assert_eq!(parts, [[(0, 80_000)], [(96_000, 160_000)]]);
    }

    #[test]
    fn sound_without_a_pause_is_cut_all_the_same() {
        assert!(check(&[(0, 29 * 16_000)], &[]).len() >= 4);
    }
}

//! How many spans a thread steps together.
//!
//! A step has a cost of its own besides that of each sequence, so it should have several sequences; but a thread that takes all of them
//! leaves the others without work.

/// Most sequences of one step.
const MOST: usize = 80;
/// Sequences that a thread steps together although other threads could take some of them.
const SHARE: usize = 8;
/// Fewer sequences than this are left to a thread that is stepping already.
const FEW: usize = 4;

/// How many of the ready spans a thread should step now, counted from the first. `widths` has the sequences of each ready span, and
/// `stepping` is the number of sequences that other threads are stepping.
pub(super) fn share(
    widths: impl Iterator<Item = usize> + Clone,
    stepping: usize,
    threads: usize,
) -> usize {
    let ready: usize = widths.clone().sum();
    if ready == 0 || (stepping > 0 && ready < FEW) {
        return 0;
    }
    let share = (ready + stepping).div_ceil(threads).clamp(SHARE, MOST);
    first_up_to(share, widths)
}

/// How many spans, from the first on, have at most so many sequences together; at least one.
pub(super) fn first_up_to(sequences: usize, widths: impl Iterator<Item = usize>) -> usize {
    let sums = widths.scan(0, |sum, width| {
        *sum += width;
        Some(*sum)
    });
    sums.take_while(|sum| *sum <= sequences).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_of(widths: &[usize], stepping: usize, threads: usize) -> usize {
        share(widths.iter().copied(), stepping, threads)
    }

    #[test]
    fn spans_with_beams_are_divided_among_the_threads() {
        assert_eq!(share_of(&[5, 5], 0, 2), 1);
        assert_eq!(share_of(&[5], 5, 2), 1);
        assert_eq!(share_of(&[5; 8], 0, 2), 4);
        assert_eq!(share_of(&[5; 8], 0, 1), 8);
        assert_eq!(share_of(&[5; 64], 0, 1), 16);
    }

    #[test]
    fn a_step_has_several_sequences() {
        assert_eq!(share_of(&[1; 8], 0, 2), 8);
        assert_eq!(share_of(&[1; 20], 0, 2), 10);
        assert_eq!(share_of(&[1; 3], 1, 2), 0, "another thread takes them");
        assert_eq!(share_of(&[1; 3], 0, 2), 3, "there is no other thread");
        assert_eq!(share_of(&[], 0, 2), 0);
    }

    #[test]
    fn one_span_is_taken_however_many_sequences_it_has() {
        assert_eq!(first_up_to(4, [5, 1].into_iter()), 1);
        assert_eq!(first_up_to(6, [5, 1, 1].into_iter()), 2);
    }
}

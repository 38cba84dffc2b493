//! Blocks: parts of a recording whose voices are found independently of each other, by any process.

use std::ops::Range;

use crate::timeline::{Window, sample_of, windows};

/// Longest block, in samples: 10 min, which take one core about 12 s. A process that dies loses at most that much work, 12 h are
/// 72 blocks, and what is kept of a block is at most half a megabyte.
const LONGEST_SAMPLES: usize = 600 * 16_000;

/// The blocks of a recording of `samples` samples at 16 kHz, in order, as ranges of samples. They are about equally long.
pub fn blocks(samples: usize) -> Vec<Range<usize>> {
    let count = samples.div_ceil(LONGEST_SAMPLES);
    let edge = |index: usize| (samples as u128 * index as u128 / count as u128) as usize;
    (0..count)
        .map(|index| edge(index)..edge(index + 1))
        .collect()
}

/// The windows of a block, with their indices. A window belongs to the block in which its first used frame starts, so to one block
/// alone.
pub(crate) fn windows_of(samples: usize, block: &Range<usize>) -> Vec<(usize, Window)> {
    let all = windows(samples).into_iter().enumerate();
    all.filter(|(_, window)| block.contains(&sample_of(window.from)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_the_recording_and_are_about_equally_long() {
        assert!(blocks(0).is_empty());
        for samples in [1, LONGEST_SAMPLES, LONGEST_SAMPLES + 1, 12 * 3600 * 16_000] {
            let blocks = blocks(samples);
            let edges = blocks.iter().map(|block| block.start);
            let ends = blocks.iter().map(|block| block.end);
            assert!(edges.chain([samples]).eq([0].into_iter().chain(ends)));

            let lengths = || blocks.iter().map(Range::len);
            let (least, most) = (lengths().min().unwrap(), lengths().max().unwrap());
            assert!(most - least <= 1 && most <= LONGEST_SAMPLES);
        }
        assert_eq!(blocks(12 * 3600 * 16_000).len(), 72);
    }

    #[test]
    fn every_window_belongs_to_one_block() {
        for samples in [1, 160_000, 3_000_000, LONGEST_SAMPLES + 50_000] {
            let all: Vec<_> = windows(samples).into_iter().enumerate().collect();
            // Also cut where a window begins.
            let second = all.get(1).map_or(1, |(_, window)| sample_of(window.from));
            for length in [270, 80_190, 100_003, second, LONGEST_SAMPLES] {
                let starts = (0..samples).step_by(length);
                let cut = starts
                    .flat_map(|from| windows_of(samples, &(from..samples.min(from + length))));
                assert_eq!(
                    cut.collect::<Vec<_>>(),
                    all,
                    "{samples} in blocks of {length}"
                );
            }
        }
    }
}

//! Average linkage without a matrix: the mean distance of two clusters follows from their sums.
//!
//! All vectors have length 1, so that the mean cosine distance of the members of A and B is
//! 1 − (ΣA · ΣB) / (nA · nB). The order of merges is that of nearest-neighbour chains, which is exact
//! for average linkage.

use crate::embedding::DIMENSIONS;

/// Items that are clustered at once. More are clustered in blocks first, so that the time grows with
/// the length of a recording and not with its square.
const BLOCK: usize = 3000;
/// Distance within which a block's items are put together.
const BLOCK_STOP: f32 = 0.45;

/// Items that belong together.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Indices of the items, in order.
    pub(crate) members: Vec<usize>,
    /// The sum of their vectors.
    pub(crate) sum: Vec<f32>,
}

impl Group {
    /// Mean distance of the members of two groups.
    pub(crate) fn distance(&self, other: &Self) -> f32 {
        let pairs = (self.members.len() * other.members.len()) as f32;
        1.0 - dot(&self.sum, &other.sum) / pairs
    }

    /// Takes over the members of `other`.
    pub(crate) fn merge(&mut self, other: Self) {
        self.members.extend(other.members);
        self.members.sort_unstable();
        for (sum, value) in self.sum.iter_mut().zip(&other.sum) {
            *sum += value;
        }
    }
}

/// Merges between two calls of `progress`, which take some milliseconds.
const STEPS: usize = 64;

/// Puts vectors together until no two groups are nearer than `stop`. Groups are in the order of their
/// first members. `progress` is called often; `None` once it returns false.
pub(crate) fn cluster(
    vectors: &[&[f32]],
    stop: f32,
    progress: &mut dyn FnMut() -> bool,
) -> Option<Vec<Group>> {
    let single = |(index, vector): (usize, &&[f32])| Group {
        members: vec![index],
        sum: vector.to_vec(),
    };
    let mut groups: Vec<Group> = vectors.iter().enumerate().map(single).collect();
    while groups.len() > BLOCK {
        let before = groups.len();
        let mut fewer = Vec::new();
        let mut rest = groups.into_iter();
        loop {
            let block: Vec<Group> = rest.by_ref().take(BLOCK).collect();
            if block.is_empty() {
                break;
            }
            fewer.extend(link(block, BLOCK_STOP.min(stop), progress)?);
        }
        groups = fewer;
        if groups.len() * 10 > before * 9 {
            break;
        }
    }
    link(groups, stop, progress)
}

/// Merges groups until no two are nearer than `stop`. `None` once `progress` returns false.
pub(crate) fn link(
    groups: Vec<Group>,
    stop: f32,
    progress: &mut dyn FnMut() -> bool,
) -> Option<Vec<Group>> {
    let mut open: Vec<Option<Group>> = groups.into_iter().map(Some).collect();
    let mut done: Vec<Group> = Vec::new();
    let mut chain: Vec<usize> = Vec::new();
    let mut first = 0;
    for step in 0_usize.. {
        if step.is_multiple_of(STEPS) && !progress() {
            return None;
        }
        let Some(&top) = chain.last() else {
            while first < open.len() && open[first].is_none() {
                first += 1;
            }
            if first == open.len() {
                break;
            }
            chain.push(first);
            continue;
        };
        let before = chain.len().checked_sub(2).map(|place| chain[place]);
        match nearest(&open, top, before) {
            // Nothing comes nearer to a group by merging others, so it is finished.
            None => {
                done.extend(open[top].take());
                chain.pop();
            }
            Some((_, distance)) if distance >= stop => {
                done.extend(open[top].take());
                chain.pop();
            }
            Some((other, _)) if Some(other) == before => {
                chain.truncate(chain.len() - 2);
                let left = top.min(other);
                let taken = open[top.max(other)].take();
                if let (Some(group), Some(taken)) = (open[left].as_mut(), taken) {
                    group.merge(taken);
                }
            }
            Some((other, _)) => chain.push(other),
        }
    }

    done.sort_by_key(|group| group.members.first().copied());
    Some(done)
}

/// The open group nearest to `from`; of equally near ones `preferred`, else the first.
fn nearest(open: &[Option<Group>], from: usize, preferred: Option<usize>) -> Option<(usize, f32)> {
    let group = open[from].as_ref()?;
    let mut best: Option<(usize, f32)> = None;
    if let Some(index) = preferred
        && let Some(other) = &open[index]
    {
        best = Some((index, group.distance(other)));
    }
    for (index, other) in open.iter().enumerate() {
        let Some(other) = other.as_ref().filter(|_| index != from) else {
            continue;
        };
        let distance = group.distance(other);
        if best.is_none_or(|(_, least)| distance < least) {
            best = Some((index, distance));
        }
    }
    best
}

/// The sum of products in a fixed order, in lanes that the compiler can add at once.
#[multiversion::multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
pub(crate) fn dot(left: &[f32], right: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    let left = left[..DIMENSIONS].as_chunks::<LANES>().0;
    let right = right[..DIMENSIONS].as_chunks::<LANES>().0;
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    sums.iter().sum()
}

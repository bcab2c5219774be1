//! A pseudo-random order of samples in which the rank of each depends on (seed, purpose, position) alone: a sample keeps its place
//! among the others whatever set it is drawn from.

use rand::RngCore;

use crate::ml::random::{Purpose, stream};

/// `positions` in their seeded order.
pub(super) fn shuffled(seed: u64, purpose: Purpose, positions: &[usize]) -> Vec<usize> {
    let mut keyed: Vec<(u64, usize)> =
        positions.iter().map(|&position| (stream(seed, purpose, position as u64).next_u64(), position)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, position)| position).collect()
}

/// The first `count` of the seeded order, sorted by position.
pub(super) fn draw(seed: u64, purpose: Purpose, positions: &[usize], count: usize) -> Vec<usize> {
    if count >= positions.len() {
        return positions.to_vec();
    }
    let mut drawn = shuffled(seed, purpose, positions);
    drawn.truncate(count);
    drawn.sort_unstable();
    drawn
}

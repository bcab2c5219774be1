//! Seeded selections: stratified shuffle splits and balanced subsamples.

use rand::Rng;
use rand::seq::SliceRandom;

use crate::ml::random::{Purpose, stream};

/// Indices to learn from and indices to be judged on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    pub train: Vec<usize>,
    pub test: Vec<usize>,
}

/// `count` random splits that hold out `test_fraction` of each side (rounded up, at least one). Split s draws from stream (seed, s).
/// Each side must have two samples at least.
pub fn stratified_shuffle_splits(member: &[bool], count: usize, test_fraction: f64, seed: u64) -> Vec<Split> {
    (0..count).map(|split| stratified_split(member, test_fraction, seed, split as u64)).collect()
}

fn stratified_split(member: &[bool], test_fraction: f64, seed: u64, index: u64) -> Split {
    let mut random = stream(seed, Purpose::Split, index);
    let mut split = Split { train: Vec::new(), test: Vec::new() };
    for side in [true, false] {
        let mut indices: Vec<usize> = (0..member.len()).filter(|index| member[*index] == side).collect();
        indices.shuffle(&mut random);
        let held_out = (indices.len() as f64 * test_fraction).ceil() as usize;
        split.train.extend_from_slice(&indices[held_out..]);
        split.test.extend_from_slice(&indices[..held_out]);
    }
    split
}

/// Equally many of both sides, at most `cap` of each: sorted indices into the first side and into the second.
/// Side s of selection `purpose_index` draws from its own stream, so that one side's size does not change the other's draw.
pub fn balanced_subsample(sizes: (usize, usize), cap: usize, seed: u64, selection: u64) -> (Vec<usize>, Vec<usize>) {
    let count = sizes.0.min(sizes.1).min(cap);
    let pick = |size, side| pick(size, count, &mut stream(seed, Purpose::Balance, 2 * selection + side));
    (pick(sizes.0, 0), pick(sizes.1, 1))
}

/// `count` of the indices below `size`, sorted.
fn pick(size: usize, count: usize, random: &mut impl Rng) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..size).collect();
    let mut picked = indices.partial_shuffle(random, count).0.to_vec();
    picked.sort_unstable();
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_hold_out_a_tenth_of_each_side_and_lose_nothing() {
        let member: Vec<bool> = (0..95).map(|index| index < 40).collect();
        for split in stratified_shuffle_splits(&member, 10, 0.1, 5) {
            let held_out = |side| split.test.iter().filter(|index| member[**index] == side).count();
            assert_eq!((held_out(true), held_out(false)), (4, 6));
            let mut all = [split.train, split.test].concat();
            all.sort_unstable();
            assert_eq!(all, (0..95).collect::<Vec<_>>());
        }
    }

    #[test]
    fn splits_differ_from_each_other_and_follow_the_seed() {
        let member: Vec<bool> = (0..40).map(|index| index % 2 == 0).collect();
        let splits = stratified_shuffle_splits(&member, 2, 0.1, 5);
        assert_ne!(splits[0], splits[1]);
        assert_eq!(splits, stratified_shuffle_splits(&member, 2, 0.1, 5));
        assert_ne!(splits, stratified_shuffle_splits(&member, 2, 0.1, 6));
    }

    #[test]
    fn subsample_is_balanced_capped_and_without_repetition() {
        let (first, second) = balanced_subsample((5000, 300), 1000, 1, 0);
        assert_eq!((first.len(), second.len()), (300, 300));
        assert_eq!(second, (0..300).collect::<Vec<_>>());
        assert!(first.is_sorted_by(|left, right| left < right));
        assert_eq!(balanced_subsample((5000, 3000), 1000, 1, 0).1.len(), 1000);
    }
}

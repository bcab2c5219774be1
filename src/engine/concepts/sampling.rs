//! A share of every class, so that small classes are not lost in a small draw.

use super::super::sources::sample;

/// At most about `limit` positions, ascending; every class keeps its share, and at least one sample.
pub(super) fn stratified(labels: &[u32], limit: usize, seed: u64) -> Vec<usize> {
    if labels.len() <= limit {
        return (0..labels.len()).collect();
    }
    let mut by_class: std::collections::BTreeMap<u32, Vec<usize>> = std::collections::BTreeMap::new();
    labels.iter().enumerate().for_each(|(position, label)| by_class.entry(*label).or_default().push(position));
    let share = |positions: &[usize]| ((positions.len() * limit) / labels.len()).max(1);
    let draw = |(class, positions): (u32, Vec<usize>)| sample(&positions, share(&positions), seed, u64::from(class));
    let mut drawn: Vec<usize> = by_class.into_iter().flat_map(draw).collect();
    drawn.sort_unstable();
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_keeps_its_share_and_one_at_least() {
        let labels: Vec<u32> = (0..1000).map(|position| if position == 500 { 7 } else { position % 2 }).collect();
        let drawn = stratified(&labels, 100, 3);
        let count = |class| drawn.iter().filter(|position| labels[**position] == class).count();
        assert_eq!((count(0), count(1), count(7)), (49, 50, 1));
        assert!(drawn.is_sorted());
        assert_eq!(drawn, stratified(&labels, 100, 3));
        assert_ne!(drawn, stratified(&labels, 100, 4));
    }

    #[test]
    fn a_small_split_is_taken_whole() {
        assert_eq!(stratified(&[0, 1, 0], 3, 0), [0, 1, 2]);
    }
}

//! The receiver operating characteristic with ties, and what is read off it.
//!
//! AUC is the mid-rank (Mann-Whitney) one. The curve equals scikit-learn's `roc_curve`, `drop_intermediate` included. The
//! true-positive rate at a false-positive rate is the highest reached at or below it, on the full curve (tools differ here:
//! LiRA's code reads strictly below, others the nearest point).

use crate::domain::membership::RocPoint;

/// One point of the curve in counts: how many of each side score at or above a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    false_positives: u64,
    true_positives: u64,
}

/// The full curve: one point for each distinct score, highest first, after the origin.
#[derive(Debug, Clone)]
pub struct Roc {
    counts: Vec<Count>,
    members: u64,
    non_members: u64,
}

impl Roc {
    /// Both sides must have at least one score, and no score may be NaN.
    pub fn new(members: &[f64], non_members: &[f64]) -> Self {
        debug_assert!(!members.is_empty() && !non_members.is_empty(), "both sides need a sample");
        let mut scored: Vec<(f64, bool)> = members.iter().map(|score| (*score, true)).collect();
        scored.extend(non_members.iter().map(|score| (*score, false)));
        scored.sort_by(|left, right| right.0.total_cmp(&left.0));
        let mut current = Count { false_positives: 0, true_positives: 0 };
        let mut counts = vec![current];
        // `==` and not `total_cmp`: 0 and −0 are one score.
        for ties in scored.chunk_by(|left, right| left.0 == right.0) {
            let positives = ties.iter().filter(|(_, member)| *member).count();
            current.true_positives += positives as u64;
            current.false_positives += (ties.len() - positives) as u64;
            counts.push(current);
        }
        Self { counts, members: members.len() as u64, non_members: non_members.len() as u64 }
    }

    /// P(member scores higher) + ½ P(equal).
    pub fn auc(&self) -> f64 {
        let doubled: u64 = self.counts.windows(2).map(|pair| doubled_area(pair[0], pair[1])).sum();
        doubled as f64 / (2.0 * self.members as f64 * self.non_members as f64)
    }

    /// Whether every sample has the same score.
    pub fn is_constant(&self) -> bool {
        self.counts.len() == 2
    }

    /// max |TPR − FPR| over the thresholds.
    pub fn advantage(&self) -> f64 {
        self.points().map(|point| (point.true_positive_rate - point.false_positive_rate).abs()).fold(0.0, f64::max)
    }

    /// max ½ (TPR + 1 − FPR) over the thresholds; never below one half.
    pub fn balanced_accuracy(&self) -> f64 {
        let best = self.points().map(|point| point.true_positive_rate - point.false_positive_rate).fold(0.0, f64::max);
        0.5 * (1.0 + best)
    }

    /// The highest true-positive rate at or below a false-positive rate.
    pub fn true_positive_rate_at(&self, false_positive_rate: f64) -> f64 {
        let below = self.points().take_while(|point| point.false_positive_rate <= false_positive_rate);
        below.last().map_or(0.0, |point| point.true_positive_rate)
    }

    /// The curve without points that scikit-learn's `drop_intermediate` leaves out: those between two equal steps.
    pub fn curve(&self) -> Vec<RocPoint> {
        let kept = (0..self.counts.len()).filter(|index| self.is_corner(*index));
        kept.map(|index| self.point(self.counts[index])).collect()
    }

    /// The curve with at most `cap` points, evenly picked, both ends among them.
    pub fn capped_curve(&self, cap: usize) -> Vec<RocPoint> {
        debug_assert!(cap >= 2, "a curve has two ends");
        let curve = self.curve();
        if curve.len() <= cap {
            return curve;
        }
        let last = curve.len() - 1;
        (0..cap).map(|step| curve[step * last / (cap - 1)]).collect()
    }

    /// The origin is added after dropping, so the first real point is always kept.
    fn is_corner(&self, index: usize) -> bool {
        if index < 2 || index + 1 == self.counts.len() {
            return true;
        }
        let [before, here, after] = [self.counts[index - 1], self.counts[index], self.counts[index + 1]];
        step(before, here) != step(here, after)
    }

    fn points(&self) -> impl Iterator<Item = RocPoint> {
        self.counts.iter().map(|count| self.point(*count))
    }

    fn point(&self, count: Count) -> RocPoint {
        RocPoint {
            false_positive_rate: count.false_positives as f64 / self.non_members as f64,
            true_positive_rate: count.true_positives as f64 / self.members as f64,
        }
    }
}

fn step(from: Count, to: Count) -> (u64, u64) {
    (to.false_positives - from.false_positives, to.true_positives - from.true_positives)
}

fn doubled_area(from: Count, to: Count) -> u64 {
    (to.false_positives - from.false_positives) * (from.true_positives + to.true_positives)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MEMBERS: [f64; 4] = [0.9, 0.8, 0.8, 0.4];
    const NON_MEMBERS: [f64; 5] = [0.8, 0.5, 0.3, 0.1, 0.1];

    #[test]
    fn example_with_ties() {
        let roc = Roc::new(&MEMBERS, &NON_MEMBERS);
        assert!((roc.auc() - 0.85).abs() < 1e-15);
        assert!((roc.advantage() - 0.6).abs() < 1e-15);
        assert!((roc.balanced_accuracy() - 0.8).abs() < 1e-15);
        assert_eq!(roc.true_positive_rate_at(0.0), 0.25);
        assert_eq!(roc.true_positive_rate_at(0.2), 0.75);
        assert_eq!(roc.true_positive_rate_at(0.39), 0.75);
        let points: Vec<_> = roc.curve().iter().map(|p| (p.false_positive_rate, p.true_positive_rate)).collect();
        assert_eq!(points, [(0.0, 0.0), (0.0, 0.25), (0.2, 0.75), (0.4, 0.75), (0.4, 1.0), (0.6, 1.0), (1.0, 1.0)]);
    }

    #[test]
    fn constant_scores_have_an_area_of_one_half() {
        let roc = Roc::new(&[1.0; 3], &[1.0; 7]);
        assert!(roc.is_constant());
        assert_eq!((roc.auc(), roc.advantage(), roc.balanced_accuracy()), (0.5, 0.0, 0.5));
    }

    #[test]
    fn a_reversed_attack_has_advantage_but_no_accuracy() {
        let roc = Roc::new(&[0.0, 0.1], &[1.0, 0.9]);
        assert_eq!((roc.auc(), roc.advantage(), roc.balanced_accuracy()), (0.0, 1.0, 0.5));
    }

    #[test]
    fn a_capped_curve_keeps_both_ends() {
        let scores: Vec<f64> = (0..1000).map(|index| f64::from(index * 7919 % 1000)).collect();
        let roc = Roc::new(&scores[..400], &scores[400..]);
        let capped = roc.capped_curve(50);
        let full = roc.curve();
        assert_eq!(capped.len(), 50);
        assert_eq!((capped[0], capped[49]), (full[0], full[full.len() - 1]));
    }

    /// Few distinct values, so that there are many ties.
    fn sides() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
        let side = || prop::collection::vec((-10_i32..10).prop_map(f64::from), 1..60);
        (side(), side())
    }

    proptest! {
        #[test]
        fn swapped_sides_have_the_remaining_area((members, non_members) in sides()) {
            let sum = Roc::new(&members, &non_members).auc() + Roc::new(&non_members, &members).auc();
            prop_assert!((sum - 1.0).abs() < 1e-12);
        }

        #[test]
        fn monotone_maps_change_nothing((members, non_members) in sides()) {
            let map = |scores: &[f64]| scores.iter().map(|score| (score / 3.0).exp() - 5.0).collect::<Vec<_>>();
            let mapped = Roc::new(&map(&members), &map(&non_members));
            let plain = Roc::new(&members, &non_members);
            prop_assert_eq!(plain.auc(), mapped.auc());
            prop_assert_eq!(plain.curve(), mapped.curve());
        }

        #[test]
        fn area_is_the_share_of_pairs_in_order((members, non_members) in sides()) {
            let pairs = members.iter().flat_map(|m| non_members.iter().map(move |n| (m, n)));
            let wins: f64 = pairs.map(|(m, n)| if m > n { 1.0 } else if m == n { 0.5 } else { 0.0 }).sum();
            let expected = wins / (members.len() * non_members.len()) as f64;
            prop_assert!((Roc::new(&members, &non_members).auc() - expected).abs() < 1e-12);
        }
    }
}

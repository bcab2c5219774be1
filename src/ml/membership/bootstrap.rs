//! A stratified bootstrap interval of the AUC: members and non-members are resampled apart, each to its own size, and the 2.5 and
//! 97.5 % points of the resampled areas are the interval (percentile method, Efron 1979; points interpolated linearly).
//!
//! The scores are ranked once. A resample is then a count for each distinct score, and its area one pass over them: O(n) each.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::domain::membership::Interval;
use crate::ml::random::{Purpose, stream};

const LEVELS: (f64, f64) = (0.025, 0.975);

/// The 95 % interval of the AUC from `resamples` resamples, or `None` of zero. Resample r draws from its own stream (seed, r).
pub fn auc_interval(members: &[f64], non_members: &[f64], resamples: u32, seed: u64) -> Option<Interval> {
    if resamples == 0 || members.is_empty() || non_members.is_empty() {
        return None;
    }
    let ranks = Ranks::of(members, non_members);
    let mut counts = vec![[0_u32; 2]; ranks.distinct];
    let mut areas: Vec<f64> = (0..u64::from(resamples))
        .map(|resample| ranks.resampled_auc(&mut counts, &mut stream(seed, Purpose::Bootstrap, resample)))
        .collect();
    areas.sort_by(f64::total_cmp);
    Some(Interval { low: quantile(&areas, LEVELS.0), high: quantile(&areas, LEVELS.1) })
}

/// The place of each sample's score among the distinct scores, lowest first.
struct Ranks {
    members: Vec<u32>,
    non_members: Vec<u32>,
    distinct: usize,
}

impl Ranks {
    fn of(members: &[f64], non_members: &[f64]) -> Self {
        let mut distinct: Vec<f64> = members.iter().chain(non_members).copied().collect();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        let rank = |score: &f64| distinct.partition_point(|other| other < score) as u32;
        Self {
            members: members.iter().map(rank).collect(),
            non_members: non_members.iter().map(rank).collect(),
            distinct: distinct.len(),
        }
    }

    /// Draws both sides anew and gives their AUC. `counts` is scratch: [members, non-members] by rank.
    fn resampled_auc(&self, counts: &mut [[u32; 2]], random: &mut ChaCha8Rng) -> f64 {
        counts.fill([0, 0]);
        for _ in 0..self.members.len() {
            counts[draw(&self.members, random)][0] += 1;
        }
        for _ in 0..self.non_members.len() {
            counts[draw(&self.non_members, random)][1] += 1;
        }
        let (mut below, mut doubled) = (0_u64, 0_u64);
        for [members, non_members] in counts.iter().map(|pair| pair.map(u64::from)) {
            doubled += members * (2 * below + non_members);
            below += non_members;
        }
        doubled as f64 / (2.0 * self.members.len() as f64 * self.non_members.len() as f64)
    }
}

fn draw(ranks: &[u32], random: &mut ChaCha8Rng) -> usize {
    ranks[random.random_range(0..ranks.len() as u32) as usize] as usize
}

/// The `level` point of sorted values, interpolated linearly between neighbours.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let position = level * (sorted.len() - 1) as f64;
    let lower = position.floor() as usize;
    let upper = (lower + 1).min(sorted.len() - 1);
    sorted[lower] + (sorted[upper] - sorted[lower]) * (position - lower as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::membership::roc::Roc;

    fn sides() -> (Vec<f64>, Vec<f64>) {
        let mut random = stream(7, Purpose::Fraction, 0);
        let mut side = |shift: f64, count| (0..count).map(|_| random.random::<f64>() + shift).collect::<Vec<f64>>();
        (side(0.2, 300), side(0.0, 200))
    }

    #[test]
    fn interval_surrounds_the_area_at_its_asymptotic_width() {
        let (members, non_members) = sides();
        let interval = auc_interval(&members, &non_members, 1000, 3).unwrap();
        let auc = Roc::new(&members, &non_members).auc();
        assert!(interval.low < auc && auc < interval.high, "{interval:?} around {auc}");
        // DeLong's variance: var(V10)/300 + var(V01)/200, about 0.022² here.
        let width = (interval.high - interval.low) / 3.92;
        assert!((0.018..0.027).contains(&width), "standard error {width}");
    }

    #[test]
    fn equal_seeds_give_equal_intervals_and_others_do_not() {
        let (members, non_members) = sides();
        let interval = |seed| auc_interval(&members, &non_members, 50, seed).unwrap();
        assert_eq!(interval(3), interval(3));
        assert_ne!(interval(3), interval(4));
    }

    #[test]
    fn constant_scores_have_no_spread() {
        let interval = auc_interval(&[1.0; 20], &[1.0; 30], 10, 1).unwrap();
        assert_eq!((interval.low, interval.high), (0.5, 0.5));
    }

    #[test]
    fn no_resamples_give_no_interval() {
        assert_eq!(auc_interval(&[1.0], &[0.0], 0, 1), None);
    }
}

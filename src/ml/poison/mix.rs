//! Which retained samples are trained on along with the poison.

use crate::domain::poison::DataMix;
use crate::domain::{Error, Result};
use crate::ml::random::Purpose;

use super::order::draw;
use super::population::Population;

/// Retained positions to train on, sorted; stratified by class for `Half` and `RetainRatio`.
pub(super) fn mix(
    mix: DataMix,
    population: &Population<'_>,
    poisoned_count: usize,
    seed: u64,
    warnings: &mut Vec<String>,
) -> Result<Vec<usize>> {
    match mix {
        DataMix::Full => Ok(population.retain.clone()),
        DataMix::Half => Ok(stratified(population, seed, |size| size.div_ceil(2))),
        DataMix::RetainRatio(ratio) if ratio.is_finite() && ratio > 0.0 => {
            let wanted = (poisoned_count as f64 * ratio).round() as usize;
            let available = population.retain.len();
            if wanted > available {
                warnings.push(format!(
                    "mix.retain_ratio {ratio} asks for {wanted} retained samples; all {available} are used"
                ));
            }
            Ok(proportional(population, seed, wanted.min(available)))
        }
        DataMix::RetainRatio(ratio) => Err(Error::invalid(
            "INVALID_MIX",
            "mix.retain_ratio",
            format!("must be a finite number above 0, got {ratio}"),
        )),
    }
}

/// Draws `share(size)` samples of every retained class.
fn stratified(population: &Population<'_>, seed: u64, share: impl Fn(usize) -> usize) -> Vec<usize> {
    let classes = by_class(population);
    let quotas: Vec<usize> = classes.iter().map(|positions| share(positions.len())).collect();
    draw_quotas(&classes, &quotas, seed)
}

/// Draws `wanted` samples, each class in proportion to its size (largest remainder).
fn proportional(population: &Population<'_>, seed: u64, wanted: usize) -> Vec<usize> {
    let classes = by_class(population);
    let sizes: Vec<usize> = classes.iter().map(Vec::len).collect();
    draw_quotas(&classes, &apportion(wanted, &sizes), seed)
}

fn by_class(population: &Population<'_>) -> Vec<Vec<usize>> {
    let mut classes = vec![Vec::new(); population.class_count as usize];
    for &position in &population.retain {
        classes[population.label(position) as usize].push(position);
    }
    classes
}

fn draw_quotas(classes: &[Vec<usize>], quotas: &[usize], seed: u64) -> Vec<usize> {
    let mut drawn: Vec<usize> = classes
        .iter()
        .zip(quotas)
        .flat_map(|(positions, &quota)| draw(seed, Purpose::DataMix, positions, quota))
        .collect();
    drawn.sort_unstable();
    drawn
}

/// Shares `wanted` (at most the sum of `sizes`) out in proportion to `sizes`; ties go to the lower class.
fn apportion(wanted: usize, sizes: &[usize]) -> Vec<usize> {
    let total = sizes.iter().sum::<usize>().max(1);
    let mut quotas: Vec<usize> = sizes.iter().map(|size| wanted * size / total).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&class| std::cmp::Reverse(wanted * sizes[class] % total));
    let missing = wanted - quotas.iter().sum::<usize>();
    for &class in order.iter().take(missing) {
        quotas[class] += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_takes_half_of_every_class() {
        let labels: Vec<u32> = (0..90).map(|position| position / 30).collect();
        let population = Population::divide(&labels, 3, &[], &(0..30).collect::<Vec<_>>()).unwrap();
        let half = mix(DataMix::Half, &population, 30, 1, &mut Vec::new()).unwrap();
        let of = |class| half.iter().filter(|&&position| labels[position] == class).count();
        assert_eq!((of(0), of(1), of(2)), (0, 15, 15));
    }

    #[test]
    fn a_ratio_beyond_the_retain_set_takes_it_all_and_says_so() {
        let labels = [0, 0, 1, 1];
        let population = Population::divide(&labels, 2, &[], &[0, 1]).unwrap();
        let mut warnings = Vec::new();
        assert_eq!(mix(DataMix::RetainRatio(5.0), &population, 2, 1, &mut warnings).unwrap(), [2, 3]);
        assert_eq!(warnings.len(), 1);
        assert!(mix(DataMix::RetainRatio(-1.0), &population, 2, 1, &mut warnings).is_err());
    }

    proptest! {
        #[test]
        fn apportioning_spends_everything_and_overdraws_no_class(
            sizes in proptest::collection::vec(0_usize..50, 1..8), share in 0.0..=1.0_f64,
        ) {
            let wanted = (sizes.iter().sum::<usize>() as f64 * share) as usize;
            let quotas = apportion(wanted, &sizes);
            prop_assert_eq!(quotas.iter().sum::<usize>(), wanted);
            prop_assert!(quotas.iter().zip(&sizes).all(|(quota, size)| quota <= size));
        }
    }
}

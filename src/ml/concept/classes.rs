//! The concepts of a class: heaviest first (arXiv 2405.15662: signed weights of the class's row in the sparse layer), and how much
//! its samples show of each.

use std::cmp::Ordering;

use crate::domain::concept::ConceptSign;

/// At most `top` concepts of a class by its row of weights; equal weights are ordered by name.
pub fn rank(weights: &[f64], names: &[String], top: usize, sign: ConceptSign) -> Vec<usize> {
    debug_assert_eq!(weights.len(), names.len(), "a name for each weight");
    let key = |concept: usize| match sign {
        ConceptSign::Positive | ConceptSign::Signed => weights[concept],
        ConceptSign::Absolute => weights[concept].abs(),
    };
    let listed = |concept: &usize| match sign {
        ConceptSign::Positive => weights[*concept] > 0.0,
        ConceptSign::Signed | ConceptSign::Absolute => true,
    };
    let mut order: Vec<usize> = (0..weights.len()).filter(listed).collect();
    order.sort_by(|left, right| descending(key(*left), key(*right)).then_with(|| names[*left].cmp(&names[*right])));
    order.truncate(top);
    order
}

/// How much the samples of each class show of each concept: their mean projection minus that of all samples, in (population)
/// standard deviations of all. `[class][concept]`, from `projections` `[n, concepts]`. 0 for a concept whose projections are
/// all the same and for a class without samples; a label of no class counts among all.
pub fn activations(projections: &[f32], concepts: usize, labels: &[u32], classes: usize) -> Vec<f64> {
    debug_assert_eq!(projections.len(), labels.len() * concepts, "one label for each row");
    let (mut sums, mut counts) = (vec![0.0; classes * concepts], vec![0.0; classes]);
    let all = spread(projections, concepts);
    for (row, label) in projections.chunks_exact(concepts).zip(labels) {
        let class = *label as usize;
        let Some(count) = counts.get_mut(class) else { continue };
        *count += 1.0;
        let deviations = row.iter().zip(&all).map(|(value, (mean, _))| f64::from(*value) - mean);
        sums[class * concepts..][..concepts].iter_mut().zip(deviations).for_each(|(sum, deviation)| *sum += deviation);
    }
    let scaled = |(index, sum): (usize, &f64)| {
        let (count, deviation) = (counts[index / concepts], all[index % concepts].1);
        if count > 0.0 && deviation > 0.0 { sum / count / deviation } else { 0.0 }
    };
    sums.iter().enumerate().map(scaled).collect()
}

/// Mean and standard deviation of each column; equal values have none, whatever their mean was rounded to.
fn spread(projections: &[f32], concepts: usize) -> Vec<(f64, f64)> {
    let count = (projections.len() / concepts) as f64;
    let column = |concept: usize| projections.iter().skip(concept).step_by(concepts);
    let of_column = |concept: usize| {
        let mean = column(concept).map(|value| f64::from(*value)).sum::<f64>() / count;
        let squares: f64 = column(concept).map(|value| (f64::from(*value) - mean).powi(2)).sum();
        let constant = column(concept).all(|value| *value == projections[concept]);
        (mean, if constant { 0.0 } else { (squares / count).sqrt() })
    };
    (0..concepts).map(of_column).collect()
}

/// Largest first; 0 and −0 are equal.
pub(super) fn descending(left: f64, right: f64) -> Ordering {
    right.partial_cmp(&left).unwrap_or_else(|| right.total_cmp(&left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("c{}", count - index)).collect()
    }

    #[test]
    fn sign_decides_which_weights_count() {
        let weights = [0.5, -2.0, 1.0, 0.0];
        assert_eq!(rank(&weights, &names(4), 10, ConceptSign::Positive), [2, 0]);
        assert_eq!(rank(&weights, &names(4), 10, ConceptSign::Signed), [2, 0, 3, 1]);
        assert_eq!(rank(&weights, &names(4), 2, ConceptSign::Absolute), [1, 2]);
    }

    #[test]
    fn equal_weights_are_ordered_by_name() {
        assert_eq!(rank(&[1.0, 1.0, 1.0], &names(3), 3, ConceptSign::Signed), [2, 1, 0]);
        assert_eq!(rank(&[0.0, -0.0], &names(2), 2, ConceptSign::Signed), [1, 0]);
    }

    #[test]
    fn activations_are_class_means_in_deviations_of_all() {
        // Concept 0: 1, 3, 5, 7 (mean 4, deviation √5); concept 1 is constant. Class 1 has no sample, and 9 is no class.
        let projections = [1.0, 0.1, 3.0, 0.1, 5.0, 0.1, 7.0, 0.1];
        let found = activations(&projections, 2, &[0, 0, 2, 9], 3);
        let root = 5.0_f64.sqrt();
        let expected = [-2.0 / root, 0.0, 0.0, 0.0, 1.0 / root, 0.0];
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn of_equally_many_samples_activations_cancel() {
        let projections: Vec<f32> = (0..300_u32).map(|index| (index * 37 % 101) as f32 * 1e3).collect();
        let labels: Vec<u32> = (0..100).map(|row| row % 4).collect();
        let found = activations(&projections, 3, &labels, 4);
        for concept in 0..3 {
            let sum: f64 = found.iter().skip(concept).step_by(3).sum();
            assert!(sum.abs() < 1e-12, "{sum}");
        }
    }
}

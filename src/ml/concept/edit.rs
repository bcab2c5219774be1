//! Editing the sparse layer: a class stops owing anything to a concept (Yuksekgonul et al. 2023, model editing).
//!
//! `prune` sets a weight to 0; `prune_normalize` then scales what is left of the row, so that its L1 norm stays.

/// Sets the weights of `(class, concept)` pairs to 0; `weights[class * concepts + concept]`.
pub fn prune(weights: &mut [f64], concepts: usize, pairs: &[(usize, usize)]) {
    for (class, concept) in pairs {
        weights[class * concepts + concept] = 0.0;
    }
}

/// As `prune`; every row touched keeps its L1 norm, unless nothing of it is left.
pub fn prune_normalize(weights: &mut [f64], concepts: usize, pairs: &[(usize, usize)]) {
    let before: Vec<f64> = weights.chunks_exact(concepts).map(norm).collect();
    prune(weights, concepts, pairs);
    for (row, before) in weights.chunks_exact_mut(concepts).zip(before) {
        let after = norm(row);
        if after > 0.0 && after != before {
            row.iter_mut().for_each(|weight| *weight *= before / after);
        }
    }
}

fn norm(row: &[f64]) -> f64 {
    row.iter().map(|weight| weight.abs()).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_row_of_which_nothing_is_left_stays_zero() {
        let mut weights = [2.0, 0.0, 1.0, 3.0];
        prune_normalize(&mut weights, 2, &[(0, 0)]);
        assert_eq!(weights, [0.0, 0.0, 1.0, 3.0]);
    }

    proptest! {
        #[test]
        fn normalised_pruning_keeps_the_norm_and_the_signs(
            row in prop::collection::vec(-5.0_f64..5.0, 2..20), index in any::<prop::sample::Index>(),
        ) {
            let pruned = index.index(row.len());
            let mut edited = row.clone();
            prune_normalize(&mut edited, row.len(), &[(0, pruned)]);
            prop_assert_eq!(edited[pruned], 0.0);
            if edited.iter().any(|weight| *weight != 0.0) {
                prop_assert!((norm(&edited) - norm(&row)).abs() <= 1e-12 * norm(&row).max(1.0));
            }
            prop_assert!(edited.iter().zip(&row).all(|(after, before)| after * before >= 0.0));
        }
    }
}

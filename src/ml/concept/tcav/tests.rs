//! A made-up model whose classes depend on some directions and not on others.

use proptest::prelude::*;
use rand::Rng;

use super::*;
use crate::ml::random::{Purpose, stream};

const DIM: usize = 16;

/// Nearly normal: the sum of twelve uniform numbers.
fn noise(rows: usize, salt: u64) -> Vec<f32> {
    let mut stream = stream(7, Purpose::Initialisation, salt);
    let mut normal = || (0..12).map(|_| stream.random::<f32>()).sum::<f32>() - 6.0;
    (0..rows * DIM).map(|_| normal()).collect()
}

/// Examples of a concept: noise moved along an axis.
fn concept(axis: usize, salt: u64) -> ConceptActivations {
    let mut positives = noise(80, salt);
    positives.chunks_exact_mut(DIM).for_each(|row| row[axis] += 4.0);
    ConceptActivations { positives, negatives: Vec::new() }
}

/// Gradients of a class that grows along axis 0 and falls along axis 1, with a little that differs between samples on axes 0 to 7.
fn gradients() -> Vec<f32> {
    let mut gradients = noise(200, 99);
    for row in gradients.chunks_exact_mut(DIM) {
        row.iter_mut().for_each(|value| *value *= 0.05);
        row[8..].fill(0.0);
        row[0] += 1.0;
        row[1] -= 1.0;
    }
    gradients
}

fn spec() -> TcavSpec {
    TcavSpec { random_sets: 40, ..TcavSpec::default() }
}

#[test]
fn directions_that_decide_the_class_are_significant_and_orthogonal_ones_are_not() {
    let concepts: Vec<ConceptActivations> = [0, 1, 9, 12, 15].iter().map(|axis| concept(*axis, *axis as u64)).collect();
    let concepts: Vec<&ConceptActivations> = concepts.iter().collect();
    let found = test(&gradients(), DIM, &concepts, &noise(1000, 1000), &spec(), 1).unwrap();
    let found: Vec<TcavResult> = found.into_iter().flatten().collect();
    assert!(found[0].significant && found[0].score > 0.95, "{:?}", found[0]);
    assert!(found[1].significant && found[1].score < 0.05 && found[1].magnitude < 0.0, "{:?}", found[1]);
    assert!(found[2..].iter().all(|result| !result.significant), "{:?}", &found[2..]);
}

/// As many concepts as the built-in library has share the error rate.
#[test]
fn the_default_tells_deciding_concepts_from_irrelevant_ones_among_fifty_six() {
    let concepts: Vec<ConceptActivations> =
        (0..56).map(|place| concept(if place < 2 { place } else { 8 + place % 8 }, place as u64)).collect();
    let concepts: Vec<&ConceptActivations> = concepts.iter().collect();
    let found = test(&gradients(), DIM, &concepts, &noise(1000, 1000), &TcavSpec::default(), 1).unwrap();
    let significant: Vec<usize> = (0..56).filter(|place| found[*place].unwrap().significant).collect();
    assert_eq!(significant, [0, 1]);
}

#[test]
fn vectors_learnt_once_score_as_those_learnt_for_one_class() {
    let (concept, pool) = (concept(0, 1), noise(300, 1000));
    let vectors = Vectors::learn(&[&concept], &pool, DIM, &spec(), 3, &Interrupt::never()).unwrap();
    let once = test(&gradients(), DIM, &[&concept], &pool, &spec(), 3).unwrap();
    assert_eq!(vectors.score(&gradients()), once);
}

#[test]
fn a_concept_with_too_few_examples_has_no_result_and_does_not_move_the_others() {
    let (full, empty) = (concept(0, 1), ConceptActivations::default());
    let found = test(&gradients(), DIM, &[&full, &empty], &noise(300, 1000), &spec(), 3).unwrap();
    let alone = test(&gradients(), DIM, &[&full], &noise(300, 1000), &spec(), 3).unwrap();
    assert_eq!(found, [alone[0], None]);
}

#[test]
fn gradients_without_any_direction_have_no_p() {
    let found = test(&[0.0; 10 * DIM], DIM, &[&concept(0, 1)], &noise(300, 1000), &spec(), 3).unwrap();
    let found = found[0].unwrap();
    assert_eq!((found.score, found.p_value, found.significant), (0.0, None, false));
}

#[test]
fn a_small_or_identical_pool_is_refused() {
    let concept = concept(0, 1);
    let refused =
        |pool: &[f32]| Vectors::learn(&[&concept], pool, DIM, &spec(), 3, &Interrupt::never()).unwrap_err().reason;
    assert_eq!(refused(&noise(9, 1)), "TOO_FEW_SAMPLES");
    assert_eq!(refused(&[1.0; 40 * DIM]), "DEGENERATE_FEATURES");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn scores_are_shares_and_p_is_a_probability(seed in any::<u64>(), axis in 0..DIM, pooled: bool) {
        let spec = TcavSpec { runs: 3, random_sets: 4, pooled_variance: pooled, ..TcavSpec::default() };
        let found = test(&noise(30, seed), DIM, &[&concept(axis, seed)], &noise(60, seed ^ 1), &spec, seed).unwrap();
        let found = found[0].unwrap();
        prop_assert!((0.0..=1.0).contains(&found.score) && (0.0..=1.0).contains(&found.random_score));
        prop_assert!(found.p_value.is_none_or(|p| (0.0..=1.0).contains(&p)));
        prop_assert!(found.score_std >= 0.0 && found.magnitude.is_finite());
    }
}

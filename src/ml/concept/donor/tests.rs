//! The steps of both rules, and what holds for every suggestion.

use proptest::prelude::*;

use super::*;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|concept| format!("concept{concept}")).collect()
}

fn run(rule: DonorRule, weights: &[f64], concepts: usize, target: u32, candidates: &[u32]) -> DonorSuggestion {
    let classes = weights.len() / concepts;
    let class_name = |class: u32| format!("class{class}");
    suggest(rule, target, weights, classes, &names(concepts), &class_name, candidates).unwrap()
}

#[test]
fn a_class_whose_heaviest_concept_is_among_the_targets_is_confused_with_it() {
    // The target's heaviest concept, 0, is nobody's; its second, 1, is the heaviest of classes 2 and 3.
    let weights = [3.0, 2.0, 1.0, 0.9, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.5, 0.1];
    let found = run(DonorRule::ConceptConfusion, &weights, 3, 0, &[1, 2, 3]);
    assert_eq!(found.donor, 3);
    assert!(
        found.reason.starts_with("`concept1`, one of the heaviest") && found.reason.contains("`class3`"),
        "{}",
        found.reason
    );
    assert_eq!(found.candidates, [(3, 1.5), (2, 1.0), (1, 0.0)]);
}

#[test]
fn without_confusion_the_donor_shares_the_heaviest_concept() {
    let mut weights = vec![0.0; 4 * 8];
    weights[..8].copy_from_slice(&[9.0, 8.0, 7.0, 6.0, 5.0, 0.0, 0.0, 0.0]);
    for class in 1..4 {
        weights[class * 8 + 6] = 1.0;
        weights[class * 8] = 0.1 * class as f64;
    }
    let found = run(DonorRule::ConceptConfusion, &weights, 8, 0, &[1, 2]);
    assert_eq!(found.donor, 2);
    assert!(found.reason.starts_with("shared: "), "{}", found.reason);
}

#[test]
fn without_any_shared_weight_the_next_candidate_is_taken() {
    let mut weights = vec![0.0; 4 * 6];
    weights[3 * 6..].copy_from_slice(&[5.0, 4.0, 3.0, 2.0, 1.0, -1.0]);
    for class in 0..3 {
        weights[class * 6 + 5] = 1.0;
    }
    let found = run(DonorRule::ConceptConfusion, &weights, 6, 3, &[1, 2]);
    assert_eq!(found.donor, 1, "class 0 is no candidate; counting goes on from the last class to the first");
    assert!(found.reason.starts_with("next: "), "{}", found.reason);
    assert_eq!(found.candidates[0].0, 1);
}

#[test]
fn concepts_that_count_against_a_class_confuse_nobody() {
    // All of class 0's weights are negative, and so are class 1's: their "heaviest" concept is the same, but neither owes it.
    let weights = [-0.1, -2.0, -0.2, -3.0, 0.0, 1.0];
    let found = run(DonorRule::ConceptConfusion, &weights, 2, 0, &[1, 2]);
    assert_eq!(found.donor, 1);
    assert_eq!(found.reason, "next: `class0` owes nothing to any concept; `class1` comes next");
    assert_eq!(found.candidates, [(1, 0.0), (2, 0.0)]);
    // Class 1 owes concept 0, class 2 nothing at all: what it owes least against is no confusion.
    let weights = [0.0, 1.0, 1.0, 0.5, -2.0, -1.0];
    let found = run(DonorRule::ConceptConfusion, &weights, 2, 0, &[1, 2]);
    assert!(found.donor == 1 && found.reason.starts_with("shared: "), "{}", found.reason);
}

#[test]
fn a_row_of_zeros_has_no_cosine() {
    let found = run(DonorRule::ConceptCosine, &[1.0, 0.0, 0.5, 0.5, 0.0, 0.0, 1.0, 2.0], 2, 2, &[0, 1]);
    assert_eq!(found.donor, 0, "counting goes on from the last class to the first");
    assert_eq!(found.reason, "next: every concept has a weight of 0 for `class2`; `class0` comes next");
    assert_eq!((found.rule, found.candidates), (DonorRule::ConceptCosine, vec![(0, 0.0), (1, 0.0)]));
}

#[test]
fn candidates_without_weights_are_like_nothing() {
    let found = run(DonorRule::ConceptCosine, &[1.0, 0.0, 0.0, 0.0, -1.0, 2.0], 2, 0, &[1, 2]);
    assert_eq!(found.donor, 2, "a class with an opposite weight has a direction, one without weights has none");
    let found = run(DonorRule::ConceptCosine, &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 2, 0, &[1, 2]);
    assert_eq!(found.reason, "next: every concept has a weight of 0 for every candidate; `class1` comes next");
}

#[test]
fn cosine_takes_the_row_that_points_the_same_way() {
    let weights = [1.0, 1.0, 5.0, 0.0, 0.1, 0.1];
    let found = run(DonorRule::ConceptCosine, &weights, 2, 0, &[1, 2]);
    assert_eq!(found.donor, 2);
    assert!((found.candidates[0].1 - 1.0).abs() < 1e-12);
}

proptest! {
    #[test]
    fn a_donor_is_always_a_candidate_and_listed_first(
        weights in prop::collection::vec(-1.0_f64..1.0, 6 * 4), target in 0_u32..6, mask in 1_u32..32, cosine: bool,
    ) {
        let others: Vec<u32> = (0..6).filter(|class| *class != target).collect();
        let candidates: Vec<u32> = (0..5).filter(|bit| mask >> bit & 1 == 1).map(|bit| others[bit]).collect();
        let rule = if cosine { DonorRule::ConceptCosine } else { DonorRule::ConceptConfusion };
        let found = run(rule, &weights, 4, target, &candidates);
        prop_assert!(candidates.contains(&found.donor));
        prop_assert_eq!(found.candidates[0].0, found.donor);
        prop_assert_eq!(found.candidates.len(), candidates.len());
    }
}

//! Planning by concepts, and with pixels of donors.

use proptest::prelude::*;

use super::*;

const MODES: [PoisonImageMode; 6] = [
    PoisonImageMode::Localized,
    PoisonImageMode::GradCam,
    PoisonImageMode::Margin,
    PoisonImageMode::Center,
    PoisonImageMode::RandomPosition,
    PoisonImageMode::Full,
];

/// Four classes and two concepts: class 1 is mostly the first, of which class 3 has most among the others.
fn evidence(forget_count: usize) -> ConceptEvidence {
    ConceptEvidence {
        names: vec!["antler".into(), "wheel".into()],
        weights: vec![0.0, 1.0, 3.0, 1.0, 1.0, 2.0, 2.0, 0.5],
        projections: Some((0..forget_count).flat_map(|row| [(row % 4) as f32, -(row as f32)]).collect()),
    }
}

fn by_concepts(rule: DonorRule) -> Case {
    let mut case = Case::new();
    case.spec.donor = DonorChoice { rule, ..DonorChoice::default() };
    case.concepts = Some(evidence(case.forget.len()));
    case
}

#[test]
fn concept_rules_choose_the_donor_and_say_which_rule_fired() {
    for rule in [DonorRule::ConceptConfusion, DonorRule::ConceptCosine] {
        let (plan, _) = by_concepts(rule).plan().unwrap();
        assert_eq!((plan.donors.len(), plan.donors[0].class, plan.donors[0].rule), (1, 1, rule));
        assert!(plan.donors[0].donor != 1 && !plan.donors[0].reason.is_empty());
        assert_eq!(plan.label_histogram, [(plan.donors[0].donor, 10)]);
    }
}

#[test]
fn the_nearest_class_stands_beside_a_donor_by_concepts_and_warns_where_they_differ() {
    let mut case = by_concepts(DonorRule::ConceptConfusion);
    let donor = case.plan().unwrap().0.donors[0].donor;
    let other = (0..4).find(|class| ![1, donor].contains(class)).unwrap();
    for (nearest, warned) in [(donor, 0), (other, 1)] {
        let mut logits = [0.0; 4];
        logits[nearest as usize] = 5.0;
        case.logits = Some(logits.repeat(10));
        let (plan, _) = case.plan().unwrap();
        assert_eq!(plan.donors[0].donor, donor);
        assert!(plan.donors[0].reason.contains("NEAREST_CLASS is `"), "{}", plan.donors[0].reason);
        let told = plan.warnings.iter().filter(|warning| warning.contains("NEAREST_CLASS);")).count();
        assert_eq!(told, warned, "{:?}", plan.warnings);
    }
}

#[test]
fn a_donor_that_shares_no_concept_carries_a_warning() {
    let mut case = by_concepts(DonorRule::ConceptConfusion);
    let told =
        |case: &Case| case.plan().unwrap().0.warnings.iter().any(|warning| warning.contains("shares no concept"));
    assert!(!told(&case));
    // Class 1 rests on nothing: the next class is all that is left.
    case.concepts.as_mut().unwrap().weights[2..4].copy_from_slice(&[-1.0, 0.0]);
    assert!(told(&case));
}

#[test]
fn concept_rules_without_concepts_are_refused_unless_implied() {
    for rule in [DonorRule::ConceptConfusion, DonorRule::ConceptCosine] {
        let mut case = by_concepts(rule);
        case.concepts = None;
        case.logits = Some([1.0, 9.0, 0.5, 2.0].repeat(10));
        assert_eq!(case.refused(), (ErrorKind::FailedPrecondition, "CONCEPTS_MISSING", String::new()));
        case.spec.donor.implied = true;
        let (plan, _) = case.plan().unwrap();
        assert_eq!((plan.donors[0].donor, plan.donors[0].rule), (3, DonorRule::NearestClass));
        case.logits = None;
        assert_eq!(case.refused().1, "CONCEPTS_MISSING");
    }
}

#[test]
fn the_samples_that_show_the_top_concepts_most_are_taken() {
    let mut case = by_concepts(DonorRule::ConceptConfusion);
    (case.spec.order, case.spec.top_concepts) = (SelectionOrder::TopConcept, 1);
    case.spec.selection = SampleSelection::Count(3);
    let (_, set) = case.plan().unwrap();
    // Class 1's heaviest concept is projected as row % 4: rows 3 and 7 show most, then rows 2 and 6, of which the first is taken.
    assert_eq!(set.indices[..3], [case.forget[2], case.forget[3], case.forget[7]]);

    case.spec.top_concepts = 0;
    let (_, set) = case.plan().unwrap();
    // All concepts: row % 4 - row is 0 for the first four rows, of which the first three are taken.
    assert_eq!(set.indices[..3], case.forget[..3]);
}

#[test]
fn an_order_without_projections_is_refused_and_the_whole_set_has_none() {
    let mut case = Case::new();
    case.spec.order = SelectionOrder::TopConcept;
    assert!(!needs_concepts(&case.spec, case.method));
    assert_eq!(case.plan().unwrap().0.poisoned_count, 10);
    case.spec.selection = SampleSelection::Fraction(0.5);
    assert!(needs_concepts(&case.spec, case.method));
    assert_eq!(case.refused(), (ErrorKind::FailedPrecondition, "CONCEPTS_MISSING", String::new()));
    case.concepts = Some(ConceptEvidence { projections: None, ..evidence(10) });
    assert_eq!(case.refused().1, "CONCEPTS_MISSING");
}

#[test]
fn image_modes_need_labels_with_a_donor() {
    for mode in MODES {
        let mut case = Case::new();
        case.spec.image_mode = mode;
        assert_eq!(case.plan().unwrap().0.image_mode, mode);
        for labels in [LabelStrategy::Random, LabelStrategy::RandomUniformAll, LabelStrategy::SoftReweight] {
            case.spec.labels = labels;
            let refusal = (ErrorKind::InvalidArgument, "IMAGE_MODE_NEEDS_DONOR", "image_mode".to_owned());
            assert_eq!(case.refused(), refusal, "{mode:?} {labels:?}");
        }
        (case.spec.labels, case.method) = (LabelStrategy::Targeted, Method::RandomLabel);
        assert_eq!(case.refused().1, "IMAGE_MODE_NEEDS_DONOR");
    }
}

#[test]
fn kept_labels_have_a_donor_for_pixels_alone() {
    let mut case = Case::new();
    case.spec.labels = LabelStrategy::Keep;
    assert!(case.plan().unwrap().0.donors.is_empty());
    case.spec.image_mode = PoisonImageMode::Center;
    let (plan, _) = case.plan().unwrap();
    assert_eq!((plan.donors[0].donor, plan.label_histogram), (2, vec![(1, 10)]));
    let forgets_nothing = plan.warnings.iter().filter(|warning| warning.contains("forgets nothing")).count();
    assert_eq!(forgets_nothing, 1, "{:?}", plan.warnings);
    assert!(plan.warnings.iter().any(|warning| warning.contains("CENTER")));
}

#[test]
fn what_is_needed_follows_from_the_request() {
    let mut spec = spec();
    assert!(!needs_concepts(&spec, Method::Poison) && !needs_forget_logits(&spec, Method::Poison));
    for (mode, needed) in MODES.into_iter().zip([true, false, true, false, false, false]) {
        spec.image_mode = mode;
        assert_eq!(needs_concepts(&spec, Method::Poison), needed, "{mode:?}");
    }
    spec.donor = DonorChoice::default();
    assert!(needs_concepts(&spec, Method::Poison));
    assert!(uses_forget_logits(&spec, Method::Poison) && !needs_forget_logits(&spec, Method::Poison));
    assert!(!needs_concepts(&spec, Method::Retrain) && !uses_forget_logits(&spec, Method::Retrain));
    (spec.labels, spec.image_mode) = (LabelStrategy::Keep, PoisonImageMode::None);
    assert!(!needs_concepts(&spec, Method::Poison));
    (spec.donor, spec.image_mode) = (nearest(), PoisonImageMode::Full);
    assert!(needs_forget_logits(&spec, Method::Poison));
}

#[test]
fn damaged_concepts_are_refused() {
    let mut case = by_concepts(DonorRule::ConceptCosine);
    case.concepts.as_mut().unwrap().weights[2] = f64::INFINITY;
    assert_eq!(case.refused().1, "NON_FINITE_CONCEPTS");
}

proptest! {
    #[test]
    fn donors_are_never_in_the_forget_set(
        forgotten in proptest::collection::btree_set(0_u32..6, 1..6),
        weights in proptest::collection::vec(-3.0..3.0_f64, 6 * 4),
        rule in prop_oneof![Just(DonorRule::ConceptConfusion), Just(DonorRule::ConceptCosine)],
    ) {
        let mut case = Case::new();
        (case.labels, case.class_count) = (labels(6), 6);
        case.forget = forgotten.iter().flat_map(|&class| of_class(&case.labels, class)).collect();
        case.spec.donor = DonorChoice { rule, ..DonorChoice::default() };
        let names = ["a", "b", "c", "d"].map(String::from).to_vec();
        case.concepts = Some(ConceptEvidence { names, weights, projections: None });
        let (plan, _) = case.plan().unwrap();
        prop_assert_eq!(plan.donors.len(), forgotten.len());
        for donor in &plan.donors {
            prop_assert!(!forgotten.contains(&donor.donor));
        }
    }
}

//! The rules and edges of planning.

use proptest::prelude::*;

use super::*;
use crate::domain::dataset::{DataSource, Selector};
use crate::domain::error::ErrorKind;
use crate::domain::poison::{DataMix, DonorChoice, DonorRule, PoisonImageMode, SampleSelection, SelectionOrder};

fn spec() -> PoisonSpec {
    PoisonSpec {
        model: "models/m".parse().unwrap(),
        train: DataSource { dataset: "datasets/d".parse().unwrap(), split: String::new() },
        forget: Selector::default(),
        labels: LabelStrategy::Targeted,
        donor: DonorChoice { rule: DonorRule::Explicit, class: "2".into(), ..DonorChoice::default() },
        selection: SampleSelection::All,
        order: SelectionOrder::default(),
        image_mode: PoisonImageMode::default(),
        concept_bank: None,
        top_concepts: 0,
        mix: DataMix::Full,
        allow_no_retain: false,
        seed: 42,
    }
}

fn nearest() -> DonorChoice {
    DonorChoice { rule: DonorRule::NearestClass, ..DonorChoice::default() }
}

/// Ten samples of each of `class_count` classes, in turn.
fn labels(class_count: u32) -> Vec<u32> {
    (0..class_count * 10).map(|position| position % class_count).collect()
}

fn of_class(labels: &[u32], class: u32) -> Vec<usize> {
    (0..labels.len()).filter(|&position| labels[position] == class).collect()
}

struct Case {
    spec: PoisonSpec,
    method: Method,
    labels: Vec<u32>,
    class_count: u32,
    forget: Vec<usize>,
    logits: Option<Vec<f32>>,
    concepts: Option<ConceptEvidence>,
}

impl Case {
    /// Class 1 of four is forgotten.
    fn new() -> Self {
        let labels = labels(4);
        let forget = of_class(&labels, 1);
        Self { spec: spec(), method: Method::Poison, labels, class_count: 4, forget, logits: None, concepts: None }
    }

    fn plan(&self) -> Result<(PoisonPlan, TrainingSet)> {
        plan(&PoisonInputs {
            spec: &self.spec,
            method: self.method,
            labels: &self.labels,
            class_count: self.class_count,
            class_names: &[],
            forget: &self.forget,
            forget_logits: self.logits.as_deref(),
            concepts: self.concepts.as_ref(),
            batch_size: 8,
        })
    }

    fn refused(&self) -> (ErrorKind, &'static str, String) {
        let error = self.plan().unwrap_err();
        let field = error.violations.first().map(|violation| violation.field.clone()).unwrap_or_default();
        (error.kind, error.reason, field)
    }
}

fn hard(set: &TrainingSet) -> &[u32] {
    match &set.targets {
        Targets::Hard(labels) => labels,
        Targets::Soft { .. } => panic!("soft targets"),
    }
}

#[test]
fn targeted_gives_the_forget_set_the_donor_and_keeps_the_rest() {
    let (plan, set) = Case::new().plan().unwrap();
    assert_eq!((plan.poisoned_count, plan.retain_count, plan.steps_per_epoch), (10, 30, 5));
    assert_eq!(plan.label_histogram, [(2, 10)]);
    assert_eq!(plan.forget_counts, [(1, 10)]);
    for (row, &target) in hard(&set).iter().enumerate() {
        let expected = if set.is_forget[row] { 2 } else { set.true_labels[row] };
        assert_eq!(target, expected);
    }
}

#[test]
fn nearest_class_ranks_by_mean_softmax_and_explains_itself() {
    let mut case = Case::new();
    case.spec.donor = nearest();
    case.logits = Some([1.0, 9.0, 0.5, 2.0].repeat(10));
    let (plan, _) = case.plan().unwrap();
    let donor = &plan.donors[0];
    assert_eq!((donor.class, donor.donor), (1, 3));
    assert_eq!(donor.candidates.iter().map(|(class, _)| *class).collect::<Vec<_>>(), [3, 0, 2]);
    assert!(donor.reason.contains("highest mean probability"), "{}", donor.reason);
}

#[test]
fn donors_of_several_forgotten_classes_are_retained_classes() {
    let mut case = Case::new();
    case.forget = [of_class(&case.labels, 1), of_class(&case.labels, 3)].concat();
    case.spec.donor = nearest();
    case.logits = Some([1.0, 9.0, 0.5, 8.0].repeat(20));
    let (plan, _) = case.plan().unwrap();
    assert_eq!(plan.donors.iter().map(|donor| donor.donor).collect::<Vec<_>>(), [0, 0]);

    case.spec.donor = DonorChoice { rule: DonorRule::Explicit, class: "3".into(), ..DonorChoice::default() };
    assert_eq!(case.refused(), (ErrorKind::InvalidArgument, "DONOR_IN_FORGET_SET", "donor.class".into()));
    case.spec.donor.class = "2".into();
    case.spec.donor.by_class.insert("3".into(), "0".into());
    let (plan, _) = case.plan().unwrap();
    assert_eq!(plan.donors.iter().map(|donor| donor.donor).collect::<Vec<_>>(), [2, 0]);
}

#[test]
fn wrong_donors_are_named_by_field() {
    let mut case = Case::new();
    case.spec.donor.class = "zebra".into();
    assert_eq!(case.refused(), (ErrorKind::InvalidArgument, "UNKNOWN_CLASS", "donor.class".into()));
    case.spec.donor.class = String::new();
    assert_eq!(case.refused(), (ErrorKind::InvalidArgument, "DONOR_MISSING", "donor.class".into()));
    case.spec.donor.by_class.insert("0".into(), "2".into());
    assert_eq!(case.refused(), (ErrorKind::InvalidArgument, "CLASS_NOT_FORGOTTEN", "donor.by_class[0]".into()));
}

#[test]
fn empty_sets_are_refused() {
    let mut case = Case::new();
    case.forget = Vec::new();
    assert_eq!(case.refused(), (ErrorKind::InvalidArgument, "EMPTY_FORGET_SET", "forget".into()));
    case.forget = (0..case.labels.len()).collect();
    assert_eq!(case.refused(), (ErrorKind::FailedPrecondition, "EMPTY_RETAIN_SET", "forget".into()));
    case.spec.allow_no_retain = true;
    assert_eq!(case.refused(), (ErrorKind::FailedPrecondition, "NO_RETAINED_CLASS", String::new()));
    case.spec.labels = LabelStrategy::Random;
    assert_eq!(case.refused(), (ErrorKind::FailedPrecondition, "NO_RETAINED_CLASS", String::new()));
    case.class_count = 5;
    let (plan, _) = case.plan().unwrap();
    assert_eq!((plan.retain_count, plan.label_histogram), (0, vec![(4, 40)]));
    case.method = Method::Train;
    assert_eq!(case.refused(), (ErrorKind::InvalidArgument, "FORGET_SET_NOT_USED", "forget".into()));
}

#[test]
fn samples_outside_split_or_model_are_refused() {
    let mut case = Case::new();
    case.forget.push(40);
    assert_eq!(case.refused(), (ErrorKind::InvalidArgument, "INDEX_OUT_OF_RANGE", "forget".into()));
    case.forget.pop();
    case.class_count = 3;
    assert_eq!(case.refused(), (ErrorKind::FailedPrecondition, "CLASS_COUNT_MISMATCH", "train".into()));
}

#[test]
fn strategies_that_do_not_forget_say_so() {
    let warns = |labels, class_count: u32, text: &str| {
        let mut case = Case::new();
        case.labels = super::tests::labels(class_count);
        case.forget = of_class(&case.labels, 1);
        (case.class_count, case.spec.labels) = (class_count, labels);
        let (plan, _) = case.plan().unwrap();
        assert!(plan.warnings.iter().any(|warning| warning.contains(text)), "{labels:?}: {:?}", plan.warnings);
    };
    warns(LabelStrategy::Keep, 4, "forgets nothing");
    warns(LabelStrategy::RandomUniformAll, 4, "1/4");
    warns(LabelStrategy::Random, 2, "same as TARGETED");
    warns(LabelStrategy::Random, 4, "less stable");
}

#[test]
fn forgetting_part_of_a_class_warns() {
    let mut case = Case::new();
    case.forget.pop();
    let (plan, _) = case.plan().unwrap();
    assert!(plan.warnings[0].contains("only a part of `1`"), "{:?}", plan.warnings);
}

#[test]
fn second_best_is_the_best_alternative_and_reweighting_its_softmax() {
    let mut case = Case::new();
    case.logits = Some([2.0, 9.0, 3.0, 1.0].repeat(10));
    case.spec.labels = LabelStrategy::PerSampleSecondBest;
    assert_eq!(case.plan().unwrap().0.label_histogram, [(2, 10)]);

    case.spec.labels = LabelStrategy::SoftReweight;
    let (plan, set) = case.plan().unwrap();
    assert_eq!(plan.label_histogram, [(2, 10)]);
    let Targets::Soft { class_count: 4, values } = &set.targets else { panic!("soft targets of four classes") };
    let total = 2_f64.exp() + 3_f64.exp() + 1_f64.exp();
    let expected = [2_f64.exp() / total, 0.0, 3_f64.exp() / total, 1_f64.exp() / total];
    for (value, expected) in values.iter().zip(expected) {
        assert!((f64::from(*value) - expected).abs() < 1e-7);
    }
    let last = &values[values.len() - 4..];
    let label = set.true_labels[set.len() - 1] as usize;
    assert_eq!((last[label], last.iter().sum::<f32>()), (1.0, 1.0));
}

#[test]
fn methods_take_their_part_of_the_data() {
    let counts = |method| {
        let mut case = Case::new();
        case.method = method;
        if method == Method::Train {
            case.forget.clear();
        }
        let (plan, set) = case.plan().unwrap();
        assert_eq!(set.forget_count() as u64, plan.poisoned_count);
        (plan.poisoned_count, plan.retain_count, plan.steps_per_epoch)
    };
    assert_eq!(counts(Method::Train), (0, 40, 5));
    assert_eq!(counts(Method::Retrain), (0, 30, 4));
    assert_eq!(counts(Method::Finetune), (0, 30, 4));
    assert_eq!(counts(Method::RandomLabel), (10, 30, 6));
    assert_eq!(counts(Method::NegGradPlus), (10, 30, 4));
}

proptest! {
    #[test]
    fn random_labels_avoid_every_forgotten_class(seed: u64, forgotten in proptest::collection::btree_set(0_u32..6, 1..5)) {
        let mut case = Case::new();
        case.labels = labels(6);
        case.class_count = 6;
        case.forget = forgotten.iter().flat_map(|&class| of_class(&case.labels, class)).collect();
        (case.spec.labels, case.spec.seed) = (LabelStrategy::Random, seed);
        let (_, set) = case.plan().unwrap();
        for (row, &target) in hard(&set).iter().enumerate() {
            prop_assert!(!forgotten.contains(&target));
            prop_assert!(set.is_forget[row] || target == set.true_labels[row]);
        }
    }

    #[test]
    fn labels_of_a_sample_do_not_depend_on_the_others(seed: u64, count in 1_u64..10) {
        let mut case = Case::new();
        (case.spec.labels, case.spec.seed) = (LabelStrategy::Random, seed);
        let (_, whole) = case.plan().unwrap();
        case.spec.selection = SampleSelection::Count(count);
        let (_, part) = case.plan().unwrap();
        for row in 0..part.forget_count() {
            let same = whole.indices.iter().position(|&index| index == part.indices[row]).unwrap();
            prop_assert_eq!(hard(&part)[row], hard(&whole)[same]);
        }
    }
}

mod concepts;

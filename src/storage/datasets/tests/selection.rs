//! What selectors mean.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::*;
use crate::domain::dataset::{Predicate, Selector};

/// Labels 0 1 2 0 1 2 0 0 of cat, dog, deer; columns `source` and `number`.
static WORLD: LazyLock<World> = LazyLock::new(|| World::of(golden("uniform.parquet")));
static SPLIT: LazyLock<Arc<Split>> = LazyLock::new(|| WORLD.open().split("").unwrap());

fn selector(classes: &[&str], indices: &[u64], predicates: Vec<Predicate>) -> Selector {
    Selector {
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        indices: indices.to_vec(),
        predicates,
    }
}

fn selected(classes: &[&str], indices: &[u64], predicates: Vec<Predicate>) -> Vec<usize> {
    SPLIT.select(&selector(classes, indices, predicates)).unwrap()
}

/// Reason and field of the refusal.
fn refused(classes: &[&str], indices: &[u64], predicates: Vec<Predicate>) -> (&'static str, String) {
    let error = SPLIT.select(&selector(classes, indices, predicates)).unwrap_err();
    (error.reason, error.violations[0].field.clone())
}

fn equals(column: &str, value: &str) -> Predicate {
    Predicate::ColumnEquals { column: column.to_owned(), value: value.to_owned() }
}

#[test]
fn every_stated_condition_holds() {
    assert_eq!(selected(&[], &[], vec![]), (0..8).collect::<Vec<_>>());
    assert_eq!(selected(&["cat"], &[], vec![]), [0, 3, 6, 7]);
    assert_eq!(selected(&["0", "deer", "cat"], &[], vec![]), [0, 2, 3, 5, 6, 7]);
    assert_eq!(selected(&[], &[7, 2, 7], vec![]), [2, 7]);
    assert_eq!(selected(&["cat"], &[7, 2], vec![]), [7]);
    assert_eq!(selected(&["cat"], &[], vec![Predicate::IndexRange { start: 3, end: 8 }, equals("source", "web")]), [7]);
    assert_eq!(selected(&[], &[], vec![equals("number", "5")]), [5]);
    assert_eq!(selected(&[], &[], vec![equals("source", "")]), [3]);
    assert_eq!(selected(&[], &[], vec![Predicate::Fraction { fraction: 1.0, seed: 3 }]).len(), 8);
}

#[test]
fn refusals_name_the_field() {
    let named = |(reason, field): (&'static str, String), expected: (&str, &str)| {
        assert_eq!((reason, field.as_str()), expected)
    };
    named(refused(&["cat", "bird"], &[], vec![]), ("UNKNOWN_CLASS", "classes[1]"));
    named(refused(&["3"], &[], vec![]), ("UNKNOWN_CLASS", "classes[0]"));
    named(refused(&[], &[0, 8], vec![]), ("INDEX_OUT_OF_RANGE", "indices[1]"));
    named(refused(&["dog"], &[0], vec![]), ("EMPTY_SELECTION", ""));
    for fraction in [0.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
        let predicate = Predicate::Fraction { fraction, seed: 1 };
        named(
            refused(&[], &[], vec![equals("source", "web"), predicate]),
            ("FRACTION_OUT_OF_RANGE", "predicates[1].fraction"),
        );
    }
    let range = |start, end| vec![Predicate::IndexRange { start, end }];
    named(refused(&[], &[], range(3, 3)), ("EMPTY_RANGE", "predicates[0].index_range.end"));
    named(refused(&[], &[], range(3, 9)), ("INDEX_OUT_OF_RANGE", "predicates[0].index_range.end"));
    named(refused(&[], &[], range(8, u64::MAX)), ("INDEX_OUT_OF_RANGE", "predicates[0].index_range.start"));
    named(refused(&[], &[], vec![equals("nope", "x")]), ("UNKNOWN_COLUMN", "predicates[0].column_equals.column"));
}

#[test]
fn unknown_classes_are_answered_with_those_present() {
    let error = SPLIT.select(&selector(&["bird"], &[], vec![])).unwrap_err().under("forget").under("poison");
    assert_eq!(error.message, "poison.forget.classes[0]: no class `bird`; split `train` has `cat`, `dog`, `deer`");
}

#[test]
fn a_known_class_may_be_absent_from_the_split() {
    let folder = tempfile::tempdir().unwrap();
    let label = npy("|u1", "(1,)", &[1]);
    let request = IngestRequest {
        class_names: vec!["a".into(), "b".into()],
        ..request(npz(folder.path(), &[("images", npy("|u1", "(1, 2, 2)", &[0; 4])), ("labels", label)]))
    };
    let split = World::from(&request, &Limits::default()).unwrap().open().split("").unwrap();
    for class in ["a", "0"] {
        let error = split.select(&selector(&[class], &[], vec![])).unwrap_err();
        assert_eq!(error.reason, "CLASS_ABSENT_FROM_SPLIT");
        assert!(error.message.ends_with("which has `b`"), "{error}");
    }
}

#[test]
fn shares_depend_on_seed_and_position_alone() {
    // 4,096 one-pixel images.
    let folder = tempfile::tempdir().unwrap();
    let path = npz(
        folder.path(),
        &[("images", npy("|u1", "(4096, 1, 1)", &[0; 4096])), ("labels", npy("|u1", "(4096,)", &[0; 4096]))],
    );
    let split = World::of(path).open().split("").unwrap();
    let share = |fraction, seed, end| {
        let predicates = vec![Predicate::Fraction { fraction, seed }, Predicate::IndexRange { start: 0, end }];
        split.select(&selector(&[], &[], predicates)).unwrap()
    };
    let half = share(0.5, 1, 4096);
    // 4096 / 2 with a standard deviation of 32.
    assert!(half.len().abs_diff(2048) < 5 * 32, "{}", half.len());
    assert_eq!(half[..share(0.5, 1, 100).len()], share(0.5, 1, 100));
    assert!(share(0.25, 1, 4096).iter().all(|position| half.contains(position)));
    assert_ne!(half, share(0.5, 2, 4096));
}

fn predicates() -> impl Strategy<Value = Predicate> {
    prop_oneof![
        (0_u64..8, 1_u64..9).prop_map(|(start, size)| Predicate::IndexRange { start, end: (start + size).min(8) }),
        (0.01..1.0, any::<u64>()).prop_map(|(fraction, seed)| Predicate::Fraction { fraction, seed }),
        prop::sample::select(vec!["web", "lab"]).prop_map(|value| equals("source", value)),
    ]
}

proptest! {
    #[test]
    fn conditions_intersect_in_any_order(
        class in prop::sample::select(vec!["cat", "dog", "deer"]),
        indices in prop::collection::vec(0_u64..8, 1..8),
        first in predicates(),
        second in predicates(),
    ) {
        let select = |classes: &[&str], indices: &[u64], predicates: Vec<Predicate>| {
            SPLIT.select(&selector(classes, indices, predicates)).unwrap_or_else(|error| {
                assert_eq!(error.reason, "EMPTY_SELECTION");
                Vec::new()
            })
        };
        let both = select(&[class], &indices, vec![first.clone(), second.clone()]);
        prop_assert_eq!(&both, &select(&[class], &indices, vec![second.clone(), first.clone()]));
        prop_assert!(both.is_sorted_by(|a, b| a < b));
        let parts = [select(&[class], &[], vec![]), select(&[], &indices, vec![]), select(&[], &[], vec![first]), select(&[], &[], vec![second])];
        let expected: Vec<usize> = (0..8).filter(|position| parts.iter().all(|part| part.contains(position))).collect();
        prop_assert_eq!(both, expected);
    }
}

//! Against scikit-learn's `NMF` (tests/golden/concept_stats), and what holds for every factorisation.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

fn descend(data: &DMatrix<f64>, start: Factors, options: &Options) -> Factorisation {
    super::descend(data, start, options, &Interrupt::never()).unwrap()
}

fn factorise(values: &[f32], dim: usize, parts: usize, options: &Options) -> Result<Factorisation> {
    super::factorise(values, dim, parts, options, &Interrupt::never())
}

#[derive(Debug, Deserialize)]
struct Golden {
    dim: usize,
    parts: usize,
    /// Activations in units of 1/256.
    grid: Vec<i32>,
    start_coefficients: Vec<f64>,
    start_components: Vec<f64>,
    squared_norm: f64,
    nndsvda_loss: f64,
    coefficients: Vec<f64>,
    components: Vec<f64>,
    loss: f64,
    iterations: u32,
    early_loss: f64,
    early_iterations: u32,
}

impl Golden {
    fn values(&self) -> Vec<f32> {
        self.grid.iter().map(|value| *value as f32 / 256.0).collect()
    }

    fn data(&self) -> DMatrix<f64> {
        let values = self.values();
        DMatrix::from_iterator(self.dim, values.len() / self.dim, values.iter().copied().map(f64::from))
    }

    fn start(&self) -> Factors {
        let samples = self.grid.len() / self.dim;
        let coefficients = DMatrix::from_column_slice(self.parts, samples, &self.start_coefficients);
        Factors { coefficients, components: DMatrix::from_row_slice(self.parts, self.dim, &self.start_components) }
    }
}

fn golden() -> Vec<Golden> {
    serde_json::from_str(include_str!("../../../../tests/golden/concept_stats/nmf.json")).unwrap()
}

fn largest_difference(left: &[f64], right: &[f64]) -> f64 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f64::max)
}

#[test]
fn from_the_same_start_the_factors_are_scikit_learns() {
    for golden in golden() {
        let found = descend(&golden.data(), golden.start(), &Options::default());
        assert_eq!(found.iterations, golden.iterations);
        assert!(largest_difference(&found.coefficients, &golden.coefficients) < 1e-8);
        assert!(largest_difference(&found.components, &golden.components) < 1e-8);
        assert!((1.0 - found.explained - golden.loss / golden.squared_norm).abs() < 1e-12);
    }
}

#[test]
fn from_nndsvda_the_loss_is_scikit_learns_to_a_thousandth() {
    for golden in golden() {
        let found = factorise(&golden.values(), golden.dim, golden.parts, &Options::default()).unwrap();
        let loss = (1.0 - found.explained) * golden.squared_norm;
        assert!((loss / golden.nndsvda_loss - 1.0).abs() < 1e-3, "{loss} against {}", golden.nndsvda_loss);
    }
}

#[test]
fn descent_stops_with_scikit_learns_where_the_gradient_has_fallen_enough() {
    for golden in golden() {
        let found = descend(&golden.data(), golden.start(), &Options { tolerance: 1e-2, ..Options::default() });
        assert!(found.converged && found.iterations < Options::default().max_iterations);
        assert_eq!(found.iterations, golden.early_iterations);
        assert!((1.0 - found.explained - golden.early_loss / golden.squared_norm).abs() < 1e-12);
    }
}

#[test]
fn what_parts_explain_wholly_is_done_at_once() {
    let found = factorise(&[1.0, 2.0, 2.0, 4.0, 3.0, 6.0], 2, 1, &Options::default()).unwrap();
    assert!(found.converged && found.iterations < 5 && found.explained > 1.0 - 1e-12, "{found:?}");
}

#[test]
fn vectors_give_back_the_least_squares_coefficients() {
    let golden = &golden()[0];
    let found = factorise(&golden.values(), golden.dim, golden.parts, &Options::default()).unwrap();
    let vectors = found.vectors();
    for part in 0..golden.parts {
        for other in 0..golden.parts {
            let component = &found.components[other * golden.dim..][..golden.dim];
            let product = super::super::rows::project(vectors.vector(part), component);
            let expected = if part == other { 1.0 } else { 0.0 };
            assert!((product - expected).abs() < 1e-5, "{part} {other} {product}");
        }
    }
}

#[test]
fn parts_that_depend_on_one_another_still_have_finite_vectors() {
    let factorisation = Factorisation {
        parts: 2,
        dim: 3,
        coefficients: vec![1.0, 1.0],
        components: vec![1.0, 2.0, 3.0, 1.0, 2.0, 3.0],
        explained: 1.0,
        iterations: 1,
        converged: true,
    };
    assert!(factorisation.vectors().weights.iter().all(|weight| weight.is_finite()));
}

#[test]
fn best_samples_are_those_with_the_largest_coefficients() {
    let factorisation = Factorisation {
        parts: 2,
        dim: 1,
        coefficients: vec![1.0, 0.0, 3.0, 2.0, 3.0, 0.0],
        components: vec![1.0, 1.0],
        explained: 1.0,
        iterations: 1,
        converged: true,
    };
    assert_eq!(factorisation.best_samples(2), [vec![(1, 3.0), (2, 3.0)], vec![(1, 2.0)]]);
}

#[test]
fn examples_are_the_samples_that_show_a_part_most_and_least() {
    let factorisation = Factorisation {
        parts: 2,
        dim: 1,
        coefficients: vec![1.0, 0.0, 3.0, 0.0, 2.0, 5.0, 0.5, 0.0, 4.0, 0.0, 0.2, 0.0],
        components: vec![1.0, 1.0],
        explained: 1.0,
        iterations: 1,
        converged: true,
    };
    let examples = factorisation.examples(&[10.0, 11.0, 12.0, 13.0, 14.0, 15.0], 2);
    assert_eq!(
        (examples[0].positives.as_slice(), examples[0].negatives.as_slice()),
        (&[14.0, 11.0][..], &[15.0, 13.0][..])
    );
    // Five samples show nothing of the second part: two of them, evenly spaced.
    assert_eq!((examples[1].positives.as_slice(), examples[1].negatives.as_slice()), (&[12.0][..], &[10.0, 13.0][..]));
    let all = factorisation.examples(&[10.0, 11.0, 12.0, 13.0, 14.0, 15.0], 4);
    assert_eq!((all[0].positives.len(), all[0].negatives.len()), (4, 2), "no sample stands on both sides");
}

#[test]
fn discovered_concepts_can_be_tested() {
    // Two parts in eight dimensions; a class that grows along the first four.
    let dim = 8;
    let value = |row: usize, column: usize| {
        let share = if column < 4 { row % 10 } else { 9 - row % 10 };
        share as f32 + ((row * 31 + column * 17) % 7) as f32 * 0.2
    };
    let values: Vec<f32> = (0..400 * dim).map(|index| value(index / dim, index % dim)).collect();
    let found = factorise(&values, dim, 2, &Options::default()).unwrap();
    let examples = found.examples(&values, 50);
    let gradients = [1.0_f32, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0].repeat(20);
    let concepts: Vec<&ConceptActivations> = examples.iter().collect();
    let spec = crate::domain::concept::TcavSpec::default();
    let results = crate::ml::concept::tcav::test(&gradients, dim, &concepts, &values, &spec, 1).unwrap();
    let mut scores: Vec<f64> = results.iter().map(|result| result.unwrap().score).collect();
    scores.sort_by(f64::total_cmp);
    assert_eq!(scores, [0.0, 1.0], "one part is for the class and one against it");
}

#[test]
fn activations_that_have_no_parts_are_refused() {
    let reason = |values: &[f32], parts| factorise(values, 2, parts, &Options::default()).unwrap_err().reason;
    assert_eq!(reason(&[1.0, -0.5, 1.0, 1.0], 1), "NEGATIVE_ACTIVATIONS");
    assert_eq!(reason(&[0.0; 4], 1), "DEGENERATE_FEATURES");
    assert_eq!(reason(&[1.0; 4], 3), "CONCEPT_COUNT_OUT_OF_RANGE");
    assert_eq!(reason(&[1.0; 3], 1), "DIMENSION_MISMATCH");
    assert_eq!(reason(&[1.0, f32::NAN], 1), "NON_FINITE_VALUES");
}

#[test]
fn wide_activations_start_from_the_same_singular_vectors() {
    let mut values = vec![0.0_f32; 40 * 600];
    for (index, value) in values.iter_mut().enumerate() {
        let (row, column) = (index / 600, index % 600);
        *value = if row % 4 == column % 4 { 1.0 + (column % 7) as f32 } else { 0.0 };
    }
    let found = factorise(&values, 600, 4, &Options::default()).unwrap();
    assert!(found.explained > 0.9999, "{}", found.explained);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn factors_are_not_negative_and_explain_a_share(
        grid in prop::collection::vec(0_i32..8, 12 * 5).prop_filter("some activation", |grid| grid.iter().any(|v| *v > 0)),
        parts in 1_usize..=5,
    ) {
        let values: Vec<f32> = grid.iter().map(|value| *value as f32).collect();
        let found = factorise(&values, 5, parts, &Options::default()).unwrap();
        prop_assert!(found.coefficients.iter().chain(&found.components).all(|value| *value >= 0.0 && value.is_finite()));
        prop_assert!((0.0..=1.0 + 1e-12).contains(&found.explained), "{}", found.explained);
    }
}

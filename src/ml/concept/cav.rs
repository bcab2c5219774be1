//! Concept activation vectors: the normal of a linear classifier between a concept's positive and negative examples (Kim et al.
//! 2018; as in PCBM, Yuksekgonul et al. 2023), with what held-out examples say of it.
//!
//! Where we differ from PCBM's code: examples are drawn without replacement (with fewer than twice as many as asked for, half are
//! held out), the regularisation strength is chosen by held-out accuracy instead of one bank for each, and ties go to the smallest.

use rand::seq::SliceRandom;

use crate::domain::concept::{CavMethod, CavSpec, ConceptQuality};
use crate::domain::evaluation::Accuracy;
use crate::domain::{Error, Result};
use crate::ml::evaluation::wilson;
use crate::ml::membership::features::Features;
use crate::ml::membership::roc::Roc;
use crate::ml::random::{Purpose, stream};

use super::direction::Hyperplane;
use super::margins;
use super::rows::check_magnitude;

/// Held-out accuracy below this says that the vector means little.
const RELIABLE_ACCURACY: f64 = 0.6;
const CHANCE: f64 = 0.5;
/// Activations that differ by less say nothing.
const CONSTANT: f64 = 1e-9;

/// A concept's vector, unscaled as its classifier left it, and its quality.
#[derive(Debug, Clone, PartialEq)]
pub struct LearntCav {
    pub vector: Vec<f32>,
    pub bias: f32,
    pub quality: ConceptQuality,
}

/// Learns the vector of concept `index` from rows of `dim` activations. The split into examples to learn from and examples held
/// out depends on (seed, index) and on how many examples there are.
pub fn learn(
    positives: &[f32],
    negatives: &[f32],
    dim: usize,
    spec: &CavSpec,
    seed: u64,
    index: u64,
) -> Result<LearntCav> {
    check(positives, negatives, dim, 2)?;
    let (train, held_out) = split(positives, negatives, dim, spec.examples_per_side as usize, seed, index);
    let (plane, c, validation) = best(&train, &held_out, spec)?;
    let vector = plane.normal.iter().map(|weight| *weight as f32).collect();
    let quality = quality(&plane, c, validation, &train, &held_out);
    Ok(LearntCav { vector, bias: plane.bias as f32, quality })
}

/// The vector and bias between all of the given examples, without a split.
pub fn direction(
    positives: &[f32],
    negatives: &[f32],
    dim: usize,
    method: CavMethod,
    c: f64,
) -> Result<(Vec<f64>, f64)> {
    check(positives, negatives, dim, 1)?;
    let plane = Hyperplane::between(&Sides::new(positives, negatives, dim), method, c)?;
    Ok((plane.normal, plane.bias))
}

/// Rows of both sides, positives first.
#[derive(Debug, Clone)]
pub(super) struct Sides {
    pub(super) features: Features,
    pub(super) positive: Vec<bool>,
}

impl Sides {
    fn new(positives: &[f32], negatives: &[f32], dim: usize) -> Self {
        let values = positives.iter().chain(negatives).map(|value| f64::from(*value)).collect();
        let positive = [vec![true; positives.len() / dim], vec![false; negatives.len() / dim]].concat();
        Self { features: Features::new(dim, values), positive }
    }

    pub(super) fn positive_count(&self) -> usize {
        self.positive.partition_point(|positive| *positive)
    }
}

/// Equally many rows of both sides to learn from, and as many again (or one fewer a side) held out.
fn split(positives: &[f32], negatives: &[f32], dim: usize, per_side: usize, seed: u64, index: u64) -> (Sides, Sides) {
    let sides = [positives, negatives];
    let used = sides.map(|side| side.len() / dim).into_iter().fold(2 * per_side.max(1), usize::min);
    let [positive, negative] = [0, 1].map(|side| {
        let mut rows: Vec<usize> = (0..sides[side].len() / dim).collect();
        rows.shuffle(&mut stream(seed, Purpose::Split, 2 * index + side as u64));
        rows.truncate(used);
        rows
    });
    let drawn = |range: std::ops::Range<usize>| {
        let rows = |side: &[f32], drawn: &[usize]| -> Vec<f32> {
            drawn[range.clone()].iter().flat_map(|row| &side[row * dim..][..dim]).copied().collect()
        };
        Sides::new(&rows(positives, &positive), &rows(negatives, &negative), dim)
    };
    (drawn(0..used.div_ceil(2)), drawn(used.div_ceil(2)..used))
}

/// The hyperplane that tells most held-out examples apart, of the strengths tried; equals go to the smallest strength.
fn best(train: &Sides, held_out: &Sides, spec: &CavSpec) -> Result<(Hyperplane, f64, Accuracy)> {
    let mut best: Option<(Hyperplane, f64, Accuracy)> = None;
    for c in strengths(spec)? {
        let plane = Hyperplane::between(train, spec.method, c)?;
        let accuracy = accuracy(&plane, held_out);
        if best.as_ref().is_none_or(|(_, _, so_far)| accuracy.correct > so_far.correct) {
            best = Some((plane, c, accuracy));
        }
    }
    best.ok_or_else(|| Error::invalid("INVALID_C_GRID", "", "the grid of C is empty; give one strength or more"))
}

/// Ascending. The mean difference knows none: 0.
fn strengths(spec: &CavSpec) -> Result<Vec<f64>> {
    if spec.method == CavMethod::MeanDifference {
        return Ok(vec![0.0]);
    }
    if let Some(wrong) = spec.c_grid.iter().find(|c| !c.is_finite() || **c <= 0.0) {
        let description = format!("{wrong} is no regularisation strength; give finite numbers above 0");
        return Err(Error::invalid("INVALID_C_GRID", "", description));
    }
    let mut grid = spec.c_grid.clone();
    grid.sort_by(f64::total_cmp);
    Ok(grid)
}

fn accuracy(plane: &Hyperplane, sides: &Sides) -> Accuracy {
    let decisions = sides.features.rows().map(|row| plane.decision(row) > 0.0);
    let correct = decisions.zip(&sides.positive).filter(|(decision, positive)| decision == *positive).count();
    wilson::accuracy(correct as u64, sides.positive.len() as u64)
}

fn quality(plane: &Hyperplane, c: f64, validation: Accuracy, train: &Sides, held_out: &Sides) -> ConceptQuality {
    let distances: Vec<f64> = held_out.features.rows().map(|row| plane.decision(row) / plane.norm).collect();
    let (positives, negatives) = distances.split_at(held_out.positive_count());
    ConceptQuality {
        train_accuracy: accuracy(plane, train).value,
        validation,
        validation_auc: Roc::new(positives, negatives).auc(),
        c,
        positives: margins::stats(positives),
        negatives: margins::stats(negatives),
        unreliable: validation.value < RELIABLE_ACCURACY || validation.low <= CHANCE,
    }
}

fn check(positives: &[f32], negatives: &[f32], dim: usize, least: usize) -> Result<()> {
    debug_assert!(dim > 0 && positives.len().is_multiple_of(dim) && negatives.len().is_multiple_of(dim), "whole rows");
    let (positive_count, negative_count) = (positives.len() / dim, negatives.len() / dim);
    if positive_count.min(negative_count) < least {
        let message = format!(
            "{positive_count} positive and {negative_count} negative examples are too few for a concept; give at least 2 of each"
        );
        return Err(Error::failed_precondition("TOO_FEW_EXAMPLES", message));
    }
    let mut values = positives.iter().chain(negatives);
    if !values.all(|value| value.is_finite()) {
        return Err(degenerate("the model's activations of the examples are not all finite numbers"));
    }
    check_magnitude(positives.iter().chain(negatives))?;
    if is_constant(positives, negatives, dim) {
        return Err(degenerate(
            "the model's activations are the same for every example, so nothing tells the sides apart",
        ));
    }
    Ok(())
}

/// Whether all rows lie within 1e-9, as of a saturated model.
fn is_constant(positives: &[f32], negatives: &[f32], dim: usize) -> bool {
    let close = |(value, first): (&f32, &f32)| (f64::from(*value) - f64::from(*first)).abs() <= CONSTANT;
    let mut rows = positives.chunks_exact(dim).chain(negatives.chunks_exact(dim));
    rows.all(|row| row.iter().zip(positives).all(close))
}

pub(super) fn degenerate(description: &str) -> Error {
    let message = format!(
        "{description}; check the model and the examples, or use a donor rule without concepts (NEAREST_CLASS)"
    );
    Error::failed_precondition("DEGENERATE_FEATURES", message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::Rng;

    use super::*;
    use crate::domain::ErrorKind;
    use crate::ml::concept::direction::dot;

    const DIM: usize = 6;
    const METHODS: [CavMethod; 4] =
        [CavMethod::SvcHinge, CavMethod::Logistic, CavMethod::Ridge, CavMethod::MeanDifference];

    /// Rows of noise, the first coordinate shifted.
    fn side(seed: u64, count: usize, shift: f32) -> Vec<f32> {
        let mut random = stream(seed, Purpose::SampleSelection, shift.to_bits().into());
        let value = |index: usize, noise: f32| if index.is_multiple_of(DIM) { noise + shift } else { noise };
        (0..count * DIM).map(|index| value(index, random.random_range(-1.0..1.0))).collect()
    }

    fn cosine(left: &[f64], right: &[f64]) -> f64 {
        dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()
    }

    #[test]
    fn separated_sides_are_told_apart_on_held_out_examples_by_every_method() {
        for method in METHODS {
            let spec = CavSpec { method, ..CavSpec::default() };
            let learnt = learn(&side(1, 120, 1.5), &side(2, 120, -1.5), DIM, &spec, 7, 0).unwrap();
            let quality = &learnt.quality;
            assert_eq!((quality.validation.total, quality.validation.value), (100, 1.0), "{method:?}");
            assert!(!quality.unreliable && quality.positives.min > 0.0 && quality.negatives.max < 0.0);
            assert_eq!(quality.validation_auc, 1.0);
            let smallest = if method == CavMethod::MeanDifference { 0.0 } else { 0.001 };
            assert_eq!(quality.c, smallest, "ties go to the smallest strength");
        }
    }

    #[test]
    fn sides_that_do_not_differ_make_an_unreliable_vector() {
        let learnt = learn(&side(1, 100, 0.0), &side(2, 100, 0.0), DIM, &CavSpec::default(), 7, 0).unwrap();
        assert!(learnt.quality.unreliable, "{:?}", learnt.quality.validation);
    }

    #[test]
    fn few_examples_are_halved_and_fewer_refused() {
        let spec = CavSpec::default();
        let learnt = learn(&side(1, 5, 1.0), &side(2, 90, -1.0), DIM, &spec, 7, 0).unwrap();
        assert_eq!((learnt.quality.positives.count, learnt.quality.negatives.count), (2, 2));
        for (positives, negatives) in [(1, 9), (9, 1), (0, 9), (9, 0)] {
            let (positives, negatives) = (side(1, positives, 1.0), side(2, negatives, -1.0));
            let error = learn(&positives, &negatives, DIM, &spec, 7, 0).unwrap_err();
            assert_eq!((error.kind, error.reason), (ErrorKind::FailedPrecondition, "TOO_FEW_EXAMPLES"));
        }
    }

    #[test]
    fn activations_without_meaning_are_refused() {
        let mut broken = side(1, 9, 1.0);
        broken[4] = f32::NAN;
        for positives in [broken, vec![0.5; 9 * DIM]] {
            let error = learn(&positives, &[0.5; 9 * DIM], DIM, &CavSpec::default(), 7, 0).unwrap_err();
            assert_eq!((error.kind, error.reason), (ErrorKind::FailedPrecondition, "DEGENERATE_FEATURES"));
        }
        let same = side(1, 9, 0.0);
        let error = direction(&same, &same, DIM, CavMethod::MeanDifference, 1.0).unwrap_err();
        assert_eq!(error.reason, "DEGENERATE_FEATURES");
    }

    #[test]
    fn the_split_follows_seed_and_index() {
        let (positives, negatives) = (side(1, 40, 0.3), side(2, 40, -0.3));
        let learn = |seed, index| learn(&positives, &negatives, DIM, &CavSpec::default(), seed, index).unwrap();
        assert_eq!(learn(1, 0), learn(1, 0));
        assert_ne!(learn(1, 0).vector, learn(1, 1).vector);
        assert_ne!(learn(1, 0).vector, learn(2, 0).vector);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_order_of_examples_changes_nothing(seed in 0_u64..1000, method in 0..4_usize) {
            let (positives, negatives) = (side(seed, 12, 0.5), side(seed + 1, 9, -0.5));
            let reversed = |rows: &[f32]| rows.chunks_exact(DIM).rev().flatten().copied().collect::<Vec<_>>();
            let plain = direction(&positives, &negatives, DIM, METHODS[method], 1.0).unwrap();
            let turned =
                direction(&reversed(&positives), &reversed(&negatives), DIM, METHODS[method], 1.0).unwrap();
            prop_assert!(cosine(&plain.0, &turned.0) > 1.0 - 1e-9);
            prop_assert!((plain.1 - turned.1).abs() < 1e-4);
        }

        /// Turned examples have the turned vector, in the span of the rows as outside of it.
        #[test]
        fn vectors_turn_with_the_examples(seed in 0_u64..1000, method in 0..4_usize, count in 2..20_usize) {
            // Quarter turns in the plane of neighbours: exact in f32.
            let turn = |row: &[f32]| row.chunks_exact(2).flat_map(|pair| [-pair[1], pair[0]]).collect::<Vec<_>>();
            let turned = |rows: &[f32]| rows.chunks_exact(DIM).flat_map(turn).collect::<Vec<_>>();
            let (positives, negatives) = (side(seed, count, 0.5), side(seed + 1, count, -0.5));
            let plain = direction(&positives, &negatives, DIM, METHODS[method], 1.0).unwrap();
            let other = direction(&turned(&positives), &turned(&negatives), DIM, METHODS[method], 1.0).unwrap();
            let expected: Vec<f64> = plain.0.chunks_exact(2).flat_map(|pair| [-pair[1], pair[0]]).collect();
            prop_assert!(cosine(&expected, &other.0) > 1.0 - 1e-9);
            prop_assert!((plain.1 - other.1).abs() < 1e-4);
        }
    }
}

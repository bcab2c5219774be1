//! The sparse layer from concepts to classes (PCBM: Yuksekgonul et al. 2023): elastic-net logistic regression on projections.
//!
//! One class against the rest, each minimises (1/n) Σ log(1 + exp(−y f)) + λ ((1−ρ)/2 ‖w‖² + ρ|w|₁) with f = w·p + b and b
//! unpenalised; `multinomial` has one softmax instead. Where we differ from PCBM's code: it runs stochastic gradient descent
//! (scikit-learn's `SGDClassifier`) for a fixed seed, whose answer depends on the order of the samples; ours is the minimum
//! of the same objective. Proximal Newton steps and not accelerated gradients, because at λ = 1e-5 the objective is nearly
//! flat: gradients take more than the 10 000 iterations that are allowed, Newton steps some twenty, and few concepts make a Hessian cheap.

use rayon::prelude::*;

use crate::domain::concept::PcbmSpec;
use crate::domain::{Error, Result};
use crate::ml::interrupt::Interrupt;

use super::cav::degenerate;
use super::design::Design;
use super::elastic_net::{CONVERGED, Fit, Problem};
use super::quadratic::Penalty;
use super::rows::check_labels;
use super::softmax_net;

/// Of a class that no sample has: its logit is below every other's.
const ABSENT_BIAS: f64 = -1e4;

/// Weights `[K, C]` and biases for raw projections.
#[derive(Debug, Clone, PartialEq)]
pub struct PcbmFit {
    pub weights: Vec<f64>,
    pub biases: Vec<f64>,
    /// Largest violation of the optimality conditions over the classes, in the coordinates of the fit (standardised or not).
    pub kkt_residual: f64,
    /// Of the class that took most.
    pub iterations: u32,
    pub converged: bool,
}

/// Fits rows of `concepts` projections to `labels` below `classes` (others are an internal error). Classes without a sample get a row of zeros and a bias that
/// keeps them from ever being predicted; the end can be asked for between two iterations. With two classes in the labels one classifier makes both rows, with opposite signs.
pub fn fit(
    projections: &[f32],
    concepts: usize,
    labels: &[u32],
    classes: usize,
    spec: &PcbmSpec,
    interrupt: &Interrupt,
) -> Result<PcbmFit> {
    check_labels(labels, projections.len() / concepts.max(1), classes)?;
    if !projections.iter().all(|value| value.is_finite()) {
        return Err(degenerate("the projections on the concepts are not all finite numbers"));
    }
    let present = present(labels, classes);
    if present.len() < 2 {
        let message = "all samples are of one class, and a layer that tells classes apart needs two; select samples of more classes";
        return Err(Error::failed_precondition("SINGLE_CLASS", message));
    }
    let design = Design::new(projections, concepts, spec.standardize);
    let penalty = Penalty { l1: spec.lambda * spec.l1_ratio, l2: spec.lambda * (1.0 - spec.l1_ratio) };
    let (points, residual, iterations) = if spec.multinomial {
        softmax_net::fit(&design, labels, &present, penalty, interrupt)?
    } else {
        one_versus_rest(&design, labels, &present, penalty, interrupt)?
    };
    let mut fit = expanded(&design, &present, &points, classes, residual, iterations);
    if spec.multinomial {
        centre_biases(&mut fit.biases, &present);
    }
    Ok(fit)
}

fn present(labels: &[u32], classes: usize) -> Vec<u32> {
    let mut seen = vec![false; classes];
    labels.iter().for_each(|label| seen[*label as usize] = true);
    (0..classes as u32).filter(|class| seen[*class as usize]).collect()
}

fn one_versus_rest(
    design: &Design,
    labels: &[u32],
    present: &[u32],
    penalty: Penalty,
    interrupt: &Interrupt,
) -> Result<(Vec<Vec<f64>>, f64, u32)> {
    let fit = |class: &u32| {
        let positive = labels.iter().map(|label| label == class).collect();
        Problem { design, positive, penalty }.fit(interrupt)
    };
    let fitted = if present.len() == 2 { &present[1..] } else { present };
    let fits: Vec<Fit> = fitted.par_iter().map(fit).collect::<Result<_>>()?;
    let residual = fits.iter().map(|fit| fit.residual).fold(0.0, f64::max);
    let iterations = fits.iter().map(|fit| fit.iterations).max().unwrap_or(0);
    let mut points: Vec<Vec<f64>> = fits.into_iter().map(|fit| fit.point).collect();
    if let [only] = points.as_slice() {
        points.insert(0, only.iter().map(|value| -value).collect());
    }
    Ok((points, residual, iterations))
}

/// A softmax leaves their sum free: zero, for raw projections as they are given.
fn centre_biases(biases: &mut [f64], present: &[u32]) {
    let mean = present.iter().map(|class| biases[*class as usize]).sum::<f64>() / present.len() as f64;
    present.iter().for_each(|class| biases[*class as usize] -= mean);
}

fn expanded(
    design: &Design,
    present: &[u32],
    points: &[Vec<f64>],
    classes: usize,
    kkt_residual: f64,
    iterations: u32,
) -> PcbmFit {
    let concepts = design.width() - 1;
    let mut weights = vec![0.0; classes * concepts];
    let mut biases = vec![ABSENT_BIAS; classes];
    for (class, point) in present.iter().zip(points) {
        let class = *class as usize;
        let (row, bias) = design.raw(point);
        weights[class * concepts..][..concepts].copy_from_slice(&row);
        biases[class] = bias;
    }
    PcbmFit { weights, biases, kkt_residual, iterations, converged: kkt_residual <= CONVERGED }
}

impl PcbmFit {
    /// [n, K] of rows of projections.
    pub fn logits(&self, projections: &[f32]) -> Vec<f32> {
        let (classes, concepts) = (self.biases.len(), self.weights.len() / self.biases.len());
        let mut logits = vec![0.0; projections.len() / concepts * classes];
        logits.par_chunks_mut(classes).zip(projections.par_chunks(concepts)).for_each(|(logits, row)| {
            for ((logit, weights), bias) in logits.iter_mut().zip(self.weights.chunks_exact(concepts)).zip(&self.biases)
            {
                let sum: f64 = row.iter().zip(weights).map(|(value, weight)| f64::from(*value) * weight).sum();
                *logit = (sum + bias) as f32;
            }
        });
        logits
    }

    /// The class of the highest logit of every row; of equals the first.
    pub fn predict(&self, projections: &[f32]) -> Vec<u32> {
        self.logits(projections).chunks_exact(self.biases.len()).map(first_highest).collect()
    }
}

fn first_highest(logits: &[f32]) -> u32 {
    let better = |best: usize, index: usize| if logits[index] > logits[best] { index } else { best };
    (0..logits.len()).fold(0, better) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::Rng;

    use super::*;
    use crate::domain::ErrorKind;
    use crate::ml::random::{Purpose, stream};

    const CONCEPTS: usize = 4;
    const COUNT: usize = 90;

    fn fit(rows: &[f32], concepts: usize, labels: &[u32], classes: usize, spec: &PcbmSpec) -> Result<PcbmFit> {
        super::fit(rows, concepts, labels, classes, spec, &Interrupt::never())
    }

    #[test]
    fn a_fit_ends_between_two_iterations_when_nobody_wants_it_any_more() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let (rows, labels) = samples(1, 3);
        for multinomial in [false, true] {
            let asked = AtomicU32::new(0);
            let interrupt = Interrupt::when(move || match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Ok(()),
                _ => Err(Error::cancelled("enough")),
            });
            let spec = PcbmSpec { multinomial, ..spec(1e-5) };
            let error = super::fit(&rows, CONCEPTS, &labels, 3, &spec, &interrupt).unwrap_err();
            assert_eq!(error.reason, "CANCELLED");
        }
    }

    /// Noise whose first concepts lean to the label.
    fn samples(seed: u64, classes: u32) -> (Vec<f32>, Vec<u32>) {
        let mut random = stream(seed, Purpose::SampleSelection, 0);
        let labels: Vec<u32> = (0..COUNT as u32).map(|index| index % classes).collect();
        let row = |label: &u32| {
            let lean = |concept: usize| if concept == *label as usize { 0.7 } else { 0.0 };
            (0..CONCEPTS).map(|concept| random.random_range(-1.0..1.0) + lean(concept)).collect::<Vec<f32>>()
        };
        (labels.iter().flat_map(row).collect(), labels)
    }

    fn spec(lambda: f64) -> PcbmSpec {
        PcbmSpec { lambda, ..PcbmSpec::default() }
    }

    fn objective(rows: &[f32], labels: &[u32], class: u32, spec: &PcbmSpec, weights: &[f64], bias: f64) -> f64 {
        let loss = |(row, label): (&[f32], &u32)| {
            let sum: f64 = row.iter().zip(weights).map(|(value, weight)| f64::from(*value) * weight).sum();
            let z = if *label == class { -(sum + bias) } else { sum + bias };
            z.max(0.0) + (-z.abs()).exp().ln_1p()
        };
        let penalties = weights.iter().map(|w| (1.0 - spec.l1_ratio) / 2.0 * w * w + spec.l1_ratio * w.abs());
        rows.chunks_exact(CONCEPTS).zip(labels).map(loss).sum::<f64>() / labels.len() as f64
            + spec.lambda * penalties.sum::<f64>()
    }

    fn softmax_objective(rows: &[f32], labels: &[u32], spec: &PcbmSpec, weights: &[f64], biases: &[f64]) -> f64 {
        let loss = |(row, label): (&[f32], &u32)| {
            let score = |(weights, bias): (&[f64], &f64)| super::super::rows::project(row, weights) + bias;
            let scores: Vec<f64> = weights.chunks_exact(CONCEPTS).zip(biases).map(score).collect();
            scores.iter().map(|score| score.exp()).sum::<f64>().ln() - scores[*label as usize]
        };
        let penalties = weights.iter().map(|w| (1.0 - spec.l1_ratio) / 2.0 * w * w + spec.l1_ratio * w.abs());
        rows.chunks_exact(CONCEPTS).zip(labels).map(loss).sum::<f64>() / labels.len() as f64
            + spec.lambda * penalties.sum::<f64>()
    }

    fn close(left: &[f64], right: &[f64], tolerance: f64) -> bool {
        left.iter().zip(right).all(|(left, right)| (left - right).abs() <= tolerance)
    }

    #[test]
    fn two_classes_have_rows_of_opposite_sign() {
        let (rows, labels) = samples(1, 2);
        let fit = fit(&rows, CONCEPTS, &labels, 2, &spec(1e-3)).unwrap();
        assert!(fit.converged);
        assert!((0..CONCEPTS).all(|concept| fit.weights[concept] == -fit.weights[CONCEPTS + concept]));
        assert_eq!(fit.biases[0], -fit.biases[1]);
    }

    #[test]
    fn classes_without_samples_are_zero_and_never_predicted() {
        let (rows, mut labels) = samples(1, 3);
        labels.iter_mut().for_each(|label| *label += u32::from(*label > 0));
        let fit = fit(&rows, CONCEPTS, &labels, 5, &spec(1e-3)).unwrap();
        for absent in [1, 4] {
            assert!(fit.weights[absent * CONCEPTS..][..CONCEPTS].iter().all(|weight| *weight == 0.0));
            assert!(!fit.predict(&rows).contains(&(absent as u32)));
        }
    }

    #[test]
    fn labels_that_do_not_fit_are_a_defect() {
        let (rows, labels) = samples(1, 3);
        for (labels, classes) in [(labels.as_slice(), 2), (&labels[1..], 3)] {
            let error = fit(&rows, CONCEPTS, labels, classes, &spec(1e-3)).unwrap_err();
            assert_eq!((error.kind, error.reason), (ErrorKind::Internal, "INTERNAL"));
        }
    }

    #[test]
    fn one_class_alone_is_refused() {
        let (rows, _) = samples(1, 2);
        let error = fit(&rows, CONCEPTS, &[1; COUNT], 3, &spec(1e-3)).unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::FailedPrecondition, "SINGLE_CLASS"));
    }

    #[test]
    fn separable_classes_end_at_a_finite_minimum() {
        let rows: Vec<f32> = (0..40).flat_map(|i| [if i < 20 { -1.0 } else { 1.0 }, (i % 7) as f32]).collect();
        let labels: Vec<u32> = (0..40).map(|index| u32::from(index >= 20)).collect();
        let fit = fit(&rows, 2, &labels, 2, &PcbmSpec::default()).unwrap();
        assert!(fit.converged, "residual {} after {}", fit.kkt_residual, fit.iterations);
        assert_eq!(fit.predict(&rows), labels);
        assert_eq!(fit.weights[1], 0.0, "a concept that says nothing has no weight");
    }

    #[test]
    fn standardised_fits_do_not_depend_on_the_scale_of_a_concept() {
        let (rows, labels) = samples(4, 3);
        let scaled: Vec<f32> =
            rows.iter().enumerate().map(|(i, v)| if i % CONCEPTS == 1 { 8.0 * v } else { *v }).collect();
        let spec = PcbmSpec { standardize: true, ..spec(1e-2) };
        let (plain, other) =
            (fit(&rows, CONCEPTS, &labels, 3, &spec).unwrap(), fit(&scaled, CONCEPTS, &labels, 3, &spec).unwrap());
        assert!((plain.weights[1] - 8.0 * other.weights[1]).abs() < 1e-6);
        assert_eq!(plain.predict(&rows), other.predict(&scaled));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn no_random_point_is_better(seed in 0_u64..1000, lambda in 1e-5..1e-1_f64, reach in 1e-4..1.0_f64) {
            let (rows, labels) = samples(seed, 3);
            let fit = fit(&rows, CONCEPTS, &labels, 3, &spec(lambda)).unwrap();
            prop_assert!(fit.converged);
            let mut random = stream(seed, Purpose::SampleSelection, 1);
            for class in 0..3 {
                let (weights, bias) = (&fit.weights[class * CONCEPTS..][..CONCEPTS], fit.biases[class]);
                let reached = objective(&rows, &labels, class as u32, &spec(lambda), weights, bias);
                for _ in 0..20 {
                    let other: Vec<f64> = weights.iter().map(|w| w + random.random_range(-reach..reach)).collect();
                    let bias = bias + random.random_range(-reach..reach);
                    let value = objective(&rows, &labels, class as u32, &spec(lambda), &other, bias);
                    prop_assert!(reached <= value + 1e-12);
                }
            }
        }

        #[test]
        fn no_random_softmax_is_better(seed in 0_u64..1000, lambda in 1e-5..1e-1_f64, reach in 1e-4..1.0_f64) {
            let (rows, labels) = samples(seed, 3);
            let spec = PcbmSpec { multinomial: true, ..spec(lambda) };
            let fit = fit(&rows, CONCEPTS, &labels, 3, &spec).unwrap();
            prop_assert!(fit.converged, "residual {}", fit.kkt_residual);
            let reached = softmax_objective(&rows, &labels, &spec, &fit.weights, &fit.biases);
            let mut random = stream(seed, Purpose::SampleSelection, 1);
            let mut near = |values: &[f64]| -> Vec<f64> {
                values.iter().map(|value| value + random.random_range(-reach..reach)).collect()
            };
            for _ in 0..20 {
                let value = softmax_objective(&rows, &labels, &spec, &near(&fit.weights), &near(&fit.biases));
                prop_assert!(reached <= value + 1e-12);
            }
        }

        #[test]
        fn exchanged_concepts_exchange_their_weights(seed in 0_u64..1000, multinomial in any::<bool>()) {
            let (rows, labels) = samples(seed, 3);
            let spec = PcbmSpec { multinomial, ..spec(1e-2) };
            let reversed: Vec<f32> = rows.chunks_exact(CONCEPTS).flat_map(|row| row.iter().rev()).copied().collect();
            let plain = fit(&rows, CONCEPTS, &labels, 3, &spec).unwrap();
            let other = fit(&reversed, CONCEPTS, &labels, 3, &spec).unwrap();
            let back: Vec<f64> =
                other.weights.chunks_exact(CONCEPTS).flat_map(|row| row.iter().rev()).copied().collect();
            prop_assert!(close(&plain.weights, &back, 1e-4) && close(&plain.biases, &other.biases, 1e-4));
        }

        #[test]
        fn the_order_of_samples_changes_nothing(seed in 0_u64..1000) {
            let (rows, labels) = samples(seed, 3);
            let turned: Vec<f32> = rows.chunks_exact(CONCEPTS).rev().flatten().copied().collect();
            let turned_labels: Vec<u32> = labels.iter().rev().copied().collect();
            let plain = fit(&rows, CONCEPTS, &labels, 3, &spec(1e-3)).unwrap();
            let other = fit(&turned, CONCEPTS, &turned_labels, 3, &spec(1e-3)).unwrap();
            prop_assert!(close(&plain.weights, &other.weights, 1e-5) && close(&plain.biases, &other.biases, 1e-5));
        }
    }
}

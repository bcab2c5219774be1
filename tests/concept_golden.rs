//! Concept vectors and the sparse layer against scikit-learn and numpy: values from `tests/golden/concept/make.py`.
//!
//! Tolerances: hinge and logistic vectors cosine .9999 and bias 1e-3 (both sides stop near one optimum), closed forms 1e-6;
//! sparse layers: coefficients 1e-3, objectives 1e-5 relative, supports .95 (Jaccard), where saga reaches its tolerance.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, reason = "a test says by panicking that it fails")]

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use unlearnd::domain::concept::{CavMethod, PcbmSpec};
use unlearnd::ml::concept::{cav, pcbm};
use unlearnd::ml::interrupt::Interrupt;

fn golden<T: DeserializeOwned>(name: &str) -> T {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/concept").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[derive(Deserialize)]
struct Plane {
    vector: Vec<f64>,
    bias: f64,
}

#[derive(Deserialize)]
struct Hinge {
    #[serde(flatten)]
    plane: Plane,
    correct: usize,
}

#[derive(Deserialize)]
struct CavGolden {
    dim: usize,
    c: f64,
    positives: Vec<f32>,
    negatives: Vec<f32>,
    svc: Hinge,
    logistic: Plane,
    ridge: Plane,
    mean_difference: Plane,
}

impl CavGolden {
    fn direction(&self, method: CavMethod) -> (Vec<f64>, f64) {
        cav::direction(&self.positives, &self.negatives, self.dim, method, self.c).unwrap()
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn cosine(left: &[f64], right: &[f64]) -> f64 {
    dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()
}

fn largest_difference(left: &[f64], right: &[f64]) -> f64 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f64::max)
}

#[test]
fn hinge_vectors_equal_libsvm_s() {
    for golden in golden::<Vec<CavGolden>>("cav.json") {
        let (vector, bias) = golden.direction(CavMethod::SvcHinge);
        let cosine = cosine(&vector, &golden.svc.plane.vector);
        assert!(cosine >= 0.9999, "cosine {cosine}");
        assert!((bias - golden.svc.plane.bias).abs() <= 1e-3, "{bias} instead of {}", golden.svc.plane.bias);
        let side = |rows: &[f32], positive: bool| {
            let rows = rows.chunks_exact(golden.dim).map(|row| row.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
            rows.filter(|row| (dot(row, &vector) + bias > 0.0) == positive).count()
        };
        let correct = side(&golden.positives, true) + side(&golden.negatives, false);
        assert_eq!(correct, golden.svc.correct);
    }
}

#[test]
fn logistic_vectors_equal_scikit_learn_s() {
    for golden in golden::<Vec<CavGolden>>("cav.json") {
        let (vector, bias) = golden.direction(CavMethod::Logistic);
        assert!(largest_difference(&vector, &golden.logistic.vector) <= 1e-4);
        assert!((bias - golden.logistic.bias).abs() <= 1e-4);
    }
}

#[test]
fn ridge_and_mean_differences_equal_their_closed_forms() {
    for golden in golden::<Vec<CavGolden>>("cav.json") {
        for (method, theirs) in
            [(CavMethod::Ridge, &golden.ridge), (CavMethod::MeanDifference, &golden.mean_difference)]
        {
            let (vector, bias) = golden.direction(method);
            let difference = largest_difference(&vector, &theirs.vector);
            assert!(difference <= 1e-6, "{method:?}: {difference}");
            assert!((bias - theirs.bias).abs() <= 1e-6, "{method:?}: {bias} instead of {}", theirs.bias);
        }
    }
}

#[derive(Deserialize)]
struct SparseFit {
    lambda: f64,
    l1_ratio: f64,
    multinomial: bool,
    weights: Vec<f64>,
    biases: Vec<f64>,
}

#[derive(Deserialize)]
struct PcbmGolden {
    concepts: usize,
    classes: usize,
    projections: Vec<f32>,
    labels: Vec<u32>,
    fits: Vec<SparseFit>,
}

impl PcbmGolden {
    fn fit(&self, theirs: &SparseFit) -> pcbm::PcbmFit {
        let (lambda, l1_ratio, multinomial) = (theirs.lambda, theirs.l1_ratio, theirs.multinomial);
        let spec = PcbmSpec { lambda, l1_ratio, multinomial, ..PcbmSpec::default() };
        pcbm::fit(&self.projections, self.concepts, &self.labels, self.classes, &spec, &Interrupt::never()).unwrap()
    }

    /// Of the whole fit: the sum over classes, or the softmax's, with the penalty.
    fn objective(&self, spec: &SparseFit, weights: &[f64], biases: &[f64]) -> f64 {
        let rows = self.projections.chunks_exact(self.concepts);
        let losses = rows.zip(&self.labels).map(|(row, label)| {
            let row: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
            let scores = weights.chunks_exact(self.concepts).zip(biases).map(|(weights, b)| dot(&row, weights) + b);
            let scores: Vec<f64> = scores.collect();
            if spec.multinomial { softmax_loss(&scores, *label) } else { one_versus_rest_loss(&scores, *label) }
        });
        let penalties = weights.iter().map(|w| (1.0 - spec.l1_ratio) / 2.0 * w * w + spec.l1_ratio * w.abs());
        losses.sum::<f64>() / self.labels.len() as f64 + spec.lambda * penalties.sum::<f64>()
    }
}

fn softmax_loss(scores: &[f64], label: u32) -> f64 {
    scores.iter().map(|score| score.exp()).sum::<f64>().ln() - scores[label as usize]
}

fn one_versus_rest_loss(scores: &[f64], label: u32) -> f64 {
    let signed = scores.iter().zip(0..).map(|(score, class)| if class == label { -score } else { *score });
    signed.map(|z| z.max(0.0) + (-z.abs()).exp().ln_1p()).sum()
}

/// Share of weights that are not zero on both sides among those that are not zero on one.
fn jaccard(left: &[f64], right: &[f64]) -> f64 {
    let pairs = || left.iter().zip(right);
    let both = pairs().filter(|(left, right)| **left != 0.0 && **right != 0.0).count();
    both as f64 / pairs().filter(|(left, right)| **left != 0.0 || **right != 0.0).count() as f64
}

#[test]
fn sparse_layers_equal_saga_s_where_it_converges() {
    let golden: PcbmGolden = golden("pcbm.json");
    for theirs in golden.fits.iter().filter(|fit| fit.lambda > 5e-5) {
        let ours = golden.fit(theirs);
        assert!(ours.converged && ours.kkt_residual <= 1e-6, "residual {}", ours.kkt_residual);
        let what = format!("lambda {} multinomial {}", theirs.lambda, theirs.multinomial);
        let difference = largest_difference(&ours.weights, &theirs.weights);
        assert!(difference <= 1e-3, "{what}: weights differ by {difference}");
        let difference = largest_difference(&ours.biases, &theirs.biases);
        assert!(difference <= 1e-3, "{what}: biases differ by {difference}");
        let [reached, reference] = [(&ours.weights, &ours.biases), (&theirs.weights, &theirs.biases)]
            .map(|(weights, biases)| golden.objective(theirs, weights, biases));
        assert!((reached - reference).abs() <= 1e-5 * reference, "{what}: {reached} instead of {reference}");
        assert!(jaccard(&ours.weights, &theirs.weights) >= 0.95, "{what}: {}", jaccard(&ours.weights, &theirs.weights));
    }
}

/// saga was given all the epochs it wants.
#[test]
fn softmax_layers_reach_the_minimum_that_saga_reaches() {
    let golden: PcbmGolden = golden("pcbm.json");
    let fits: Vec<&SparseFit> = golden.fits.iter().filter(|fit| fit.multinomial).collect();
    assert!(fits.iter().any(|fit| fit.l1_ratio == 0.99));
    for theirs in fits {
        let ours = golden.fit(theirs);
        let [reached, reference] = [(&ours.weights, &ours.biases), (&theirs.weights, &theirs.biases)]
            .map(|(weights, biases)| golden.objective(theirs, weights, biases));
        assert!((reached - reference).abs() <= 1e-9 * reference, "{reached} instead of {reference}");
        let difference = largest_difference(&ours.weights, &theirs.weights);
        println!("{} {} {:e} {:e}", theirs.lambda, theirs.l1_ratio, reached - reference, difference);
        assert!(difference <= 1e-6, "weights differ by {difference}");
        assert_eq!(jaccard(&ours.weights, &theirs.weights), 1.0);
    }
}

#[test]
fn nearly_unpenalised_layers_are_no_worse_than_saga_s_after_twenty_thousand_epochs() {
    let golden: PcbmGolden = golden("pcbm.json");
    let theirs = golden.fits.iter().find(|fit| fit.lambda < 5e-5).unwrap();
    let ours = golden.fit(theirs);
    assert!(ours.converged && ours.iterations < 100, "{} iterations", ours.iterations);
    let reached = golden.objective(theirs, &ours.weights, &ours.biases);
    assert!(reached <= golden.objective(theirs, &theirs.weights, &theirs.biases));
}

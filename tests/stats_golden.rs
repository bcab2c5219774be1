//! The statistics against numpy, scipy and scikit-learn: values from `tests/golden/stats/make.py`.
//!
//! Tolerances: closed formulas 1e-9 (two correct evaluations in f64 differ by rounding alone); logistic coefficients 1e-4 (where
//! lbfgs stops); support-vector decisions at 99.5 % and dual objectives at 1e-5 relative (both solvers stop near one optimum).
#![cfg(feature = "daemon")]

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use unlearnd::ml::evaluation::divergence::{js_divergence, kl_divergence};
use unlearnd::ml::evaluation::{Predictions, evaluate_split, wilson};
use unlearnd::ml::membership::features::{Features, StandardScaler};
use unlearnd::ml::membership::logistic::LogisticRegression;
use unlearnd::ml::membership::roc::Roc;
use unlearnd::ml::membership::scores::{self, Score};
use unlearnd::ml::membership::simple_mia::judge;
use unlearnd::ml::membership::splits::Split;
use unlearnd::ml::membership::svm::{Kernel, SupportVectorClassifier};

fn golden<T: DeserializeOwned>(name: &str) -> T {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stats").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn assert_close(ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len());
    for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!((ours - theirs).abs() <= tolerance, "value {index}: {ours} instead of {theirs}");
    }
}

#[derive(Deserialize)]
struct ScoreGolden {
    classes: usize,
    logits: Vec<f32>,
    labels: Vec<u32>,
    loss: Vec<f64>,
    confidence: Vec<f64>,
    entropy: Vec<f64>,
    modified_entropy: Vec<f64>,
    logit: Vec<f64>,
}

#[test]
fn scores_equal_numpy() {
    let golden: ScoreGolden = golden("scores.json");
    let predictions = Predictions { class_count: golden.classes, logits: golden.logits, labels: golden.labels };
    let pairs: [(Score, &[f64]); 5] = [
        (scores::loss, &golden.loss),
        (scores::confidence, &golden.confidence),
        (scores::entropy, &golden.entropy),
        (scores::modified_entropy, &golden.modified_entropy),
        (scores::logit, &golden.logit),
    ];
    for (score, theirs) in pairs {
        assert_close(&scores::scores(&predictions, score), theirs, 1e-9);
    }
}

#[derive(Deserialize)]
struct RocGolden {
    members: Vec<f64>,
    non_members: Vec<f64>,
    auc: f64,
    fpr: Vec<f64>,
    tpr: Vec<f64>,
    advantage: f64,
    balanced_accuracy: f64,
    tpr_at: Vec<(f64, f64)>,
}

#[test]
fn roc_equals_scikit_learn_with_and_without_ties() {
    for golden in golden::<Vec<RocGolden>>("roc.json") {
        let roc = Roc::new(&golden.members, &golden.non_members);
        let (fpr, tpr): (Vec<_>, Vec<_>) =
            roc.curve().iter().map(|point| (point.false_positive_rate, point.true_positive_rate)).unzip();
        assert_close(&fpr, &golden.fpr, 1e-9);
        assert_close(&tpr, &golden.tpr, 1e-9);
        let ours = [roc.auc(), roc.advantage(), roc.balanced_accuracy()];
        assert_close(&ours, &[golden.auc, golden.advantage, golden.balanced_accuracy], 1e-9);
        for (rate, theirs) in golden.tpr_at {
            assert_close(&[roc.true_positive_rate_at(rate)], &[theirs], 1e-9);
        }
    }
}

#[derive(Deserialize)]
struct SplitGolden {
    train: Vec<usize>,
    test: Vec<usize>,
}

#[derive(Deserialize)]
struct LogisticGolden {
    columns: usize,
    features: Vec<f64>,
    member: Vec<bool>,
    c: f64,
    coefficients: Vec<f64>,
    intercept: f64,
    splits: Vec<SplitGolden>,
    mean_accuracy: f64,
}

#[test]
fn logistic_regression_equals_scikit_learn() {
    for golden in golden::<Vec<LogisticGolden>>("logistic.json") {
        let fit = LogisticRegression::fit(&Features::new(golden.columns, golden.features), &golden.member, golden.c);
        assert_close(&fit.coefficients, &golden.coefficients, 1e-4);
        assert_close(&[fit.intercept], &[golden.intercept], 1e-4);
    }
}

#[test]
fn simple_mia_accuracy_is_exact_on_the_same_splits() {
    let with_splits = golden::<Vec<LogisticGolden>>("logistic.json").into_iter().filter(|case| !case.splits.is_empty());
    for golden in with_splits {
        let splits: Vec<Split> =
            golden.splits.into_iter().map(|split| Split { train: split.train, test: split.test }).collect();
        let outcome = judge(&Features::new(golden.columns, golden.features), &golden.member, &splits);
        assert_close(&[outcome.rate.unwrap()], &[golden.mean_accuracy], 1e-12);
    }
}

#[derive(Deserialize)]
struct SvmGolden {
    kernel: String,
    c: f64,
    columns: usize,
    features: Vec<f64>,
    member: Vec<bool>,
    judged: Vec<f64>,
    decisions: Vec<f64>,
    dual_objective: f64,
}

#[test]
fn support_vector_classifier_equals_scikit_learn() {
    for golden in golden::<Vec<SvmGolden>>("svm.json") {
        let mut features = Features::new(golden.columns, golden.features);
        let mut judged = Features::new(golden.columns, golden.judged);
        let mut kernel = Kernel::Rbf { gamma: 1.0 / golden.columns as f64 };
        if golden.kernel == "linear" {
            let scaler = StandardScaler::fit(&features);
            (features, judged) = (scaler.transform(&features), scaler.transform(&judged));
            kernel = Kernel::Linear;
        }
        let fit = SupportVectorClassifier::fit(&features, &golden.member, kernel, golden.c, 1e-6);
        assert!(fit.converged);
        assert_close(&[fit.dual_objective / golden.dual_objective], &[1.0], 1e-5);
        let decisions = fit.decisions(&judged);
        let equal = decisions.iter().zip(&golden.decisions).filter(|(ours, theirs)| (**ours > 0.0) == (**theirs > 0.0));
        assert!(equal.count() as f64 >= 0.995 * decisions.len() as f64, "{kernel:?}");
        assert_close(&decisions, &golden.decisions, 1e-3);
    }
}

#[derive(Deserialize)]
struct DivergenceGolden {
    p: Vec<f64>,
    q: Vec<f64>,
    js: f64,
    kl: f64,
}

#[derive(Deserialize)]
struct EvaluationGolden {
    classes: usize,
    logits: Vec<f32>,
    labels: Vec<u32>,
    forget: Vec<bool>,
    forget_correct: u64,
    retain_correct: u64,
    forget_loss: f64,
    retain_loss: f64,
    confusion: Vec<u64>,
    destinations: Vec<f64>,
    mean_softmax: Vec<f64>,
    wilson: Vec<(u64, u64, f64, f64)>,
    divergence: Vec<DivergenceGolden>,
}

#[test]
fn split_figures_equal_scikit_learn() {
    let golden: EvaluationGolden = golden("evaluation.json");
    let predictions = Predictions { class_count: golden.classes, logits: golden.logits, labels: golden.labels };
    let figures = evaluate_split(&predictions, &golden.forget).unwrap();
    assert_eq!((figures.forget.correct, figures.retain.correct), (golden.forget_correct, golden.retain_correct));
    assert_eq!(figures.confusion, golden.confusion);
    assert_close(&[figures.forget_loss, figures.retain_loss], &[golden.forget_loss, golden.retain_loss], 1e-9);
    assert_close(&figures.destinations, &golden.destinations, 1e-12);
    assert_close(&figures.mean_softmax, &golden.mean_softmax, 1e-12);
}

#[test]
fn intervals_and_divergences_equal_scipy() {
    let golden: EvaluationGolden = golden("evaluation.json");
    for (correct, total, low, high) in golden.wilson {
        let share = wilson::accuracy(correct, total);
        assert_close(&[share.low, share.high], &[low, high], 1e-12);
    }
    for case in golden.divergence {
        assert_close(&[js_divergence(&case.p, &case.q)], &[case.js], 1e-12);
        assert_close(&[kl_divergence(&case.p, &case.q)], &[case.kl], 1e-12);
    }
}

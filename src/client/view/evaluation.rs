//! The outcome of an evaluation.

use serde::Serialize;

use super::accuracy::AccuracyView;
use super::figures::{Figures, by_class, side_by_side};
use super::{ProvenanceView, Share, View, class_name, share, shares};
use crate::client::names;
use crate::pb::v1;

#[derive(Debug, Serialize)]
pub(crate) struct EvaluationView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<String>,
    pub(crate) version: String,
    pub(crate) forget_classes: Vec<String>,
    /// The figures by which unlearning is judged, flat.
    pub(crate) figures: Figures,
    pub(crate) reference: Option<Figures>,
    pub(crate) train: Option<SplitView>,
    pub(crate) test: Option<SplitView>,
    pub(crate) provenance: Option<ProvenanceView>,
}

#[derive(Debug, Serialize)]
pub(crate) struct SplitView {
    pub(crate) forget: Option<AccuracyView>,
    pub(crate) retain: Option<AccuracyView>,
    pub(crate) global: Option<AccuracyView>,
    pub(crate) per_class: Vec<ClassAccuracy>,
    pub(crate) forget_loss: f64,
    pub(crate) retain_loss: f64,
    pub(crate) destinations: Vec<Share>,
    pub(crate) mean_softmax: Vec<f64>,
    /// Rows are true classes, columns predictions.
    pub(crate) confusion: Vec<Vec<i64>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ClassAccuracy {
    pub(crate) class: String,
    #[serde(flatten)]
    pub(crate) accuracy: Option<AccuracyView>,
}

impl EvaluationView {
    pub(crate) fn of(job: Option<&str>, report: &v1::EvaluationReport) -> Self {
        let names = &report.class_names;
        Self {
            job: job.map(str::to_owned),
            version: report.version.clone(),
            forget_classes: report.forget_classes.iter().map(|class| class_name(names, *class as usize)).collect(),
            figures: Figures::of(report, None),
            reference: Figures::of_reference(report, None),
            train: report.train.as_ref().map(|split| SplitView::of(split, names)),
            test: report.test.as_ref().map(|split| SplitView::of(split, names)),
            provenance: ProvenanceView::of(report.provenance.as_ref()),
        }
    }
}

impl SplitView {
    fn of(split: &v1::SplitEvaluation, names: &[String]) -> Self {
        let classes = split.per_class.iter().enumerate();
        Self {
            forget: AccuracyView::of(split.forget.as_ref()),
            retain: AccuracyView::of(split.retain.as_ref()),
            global: AccuracyView::of(split.global.as_ref()),
            per_class: classes.map(|(index, accuracy)| ClassAccuracy::of(names, index, accuracy)).collect(),
            forget_loss: split.forget_loss,
            retain_loss: split.retain_loss,
            destinations: shares(&split.destinations, names),
            mean_softmax: split.mean_softmax.clone(),
            confusion: matrix(&split.confusion, split.per_class.len()),
        }
    }
}

impl ClassAccuracy {
    fn of(names: &[String], index: usize, accuracy: &v1::Accuracy) -> Self {
        Self { class: class_name(names, index), accuracy: AccuracyView::of(Some(accuracy)) }
    }
}

/// Row-major counts as rows; empty when they are not square.
pub(crate) fn matrix(counts: &[i64], classes: usize) -> Vec<Vec<i64>> {
    if classes == 0 || counts.len() != classes * classes {
        return Vec::new();
    }
    counts.chunks(classes).map(<[i64]>::to_vec).collect()
}

impl View for EvaluationView {
    fn text(&self) -> String {
        let version = names::short(&self.version);
        let mut columns = vec![(version.as_str(), &self.figures)];
        if let Some(reference) = &self.reference {
            columns.push(("reference", reference));
        }
        let mut text = side_by_side(&columns);
        let Some(test) = self.test.as_ref().filter(|test| !test.per_class.is_empty()) else { return text };
        text += &format!("test accuracy over all classes: {}\n\n", super::accuracy::text(test.global));
        let classes: Vec<_> = test.per_class.iter().map(|entry| (entry.class.clone(), entry.accuracy)).collect();
        text += &by_class(&classes);
        if !self.forget_classes.is_empty() {
            let forgotten = self.forget_classes.join(", ");
            text += &format!("\n{forgotten} is taken for: {}\n", share::top(&test.destinations, 4));
        }
        text
    }
}

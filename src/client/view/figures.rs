//! The figures by which unlearning is judged, of one version: original, unlearned or reference.

use serde::Serialize;

use super::accuracy::{self, AccuracyView};
use super::attack_named;
use super::text_figures::{self, TextSidesView};
use crate::client::table;
use crate::pb::v1;

/// Shares in [0, 1]; absent where there was nothing to measure.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) version: String,
    pub(crate) forget_train_acc: Option<f64>,
    pub(crate) forget_test_acc: Option<f64>,
    pub(crate) retain_train_acc: Option<f64>,
    pub(crate) retain_test_acc: Option<f64>,
    /// Of the loss attack.
    pub(crate) mia_auc: Option<f64>,
    /// Jensen-Shannon divergence in nats to the reference; 0 is equal.
    pub(crate) js_to_reference: Option<f64>,
    pub(crate) average_gap: Option<f64>,
    pub(crate) tug_of_war: Option<f64>,
    pub(crate) forget_train_loss: Option<f64>,
    pub(crate) forget_test_loss: Option<f64>,
    pub(crate) retain_train_loss: Option<f64>,
    pub(crate) retain_test_loss: Option<f64>,
    pub(crate) intervals: Intervals,
    /// Of a language model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) texts: Option<TextSidesView>,
}

/// 95 % intervals, `[low, high]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Intervals {
    pub(crate) forget_train_acc: Option<[f64; 2]>,
    pub(crate) forget_test_acc: Option<[f64; 2]>,
    pub(crate) retain_train_acc: Option<[f64; 2]>,
    pub(crate) retain_test_acc: Option<[f64; 2]>,
    pub(crate) mia_auc: Option<[f64; 2]>,
}

impl Figures {
    /// Of a version that was evaluated and attacked.
    pub(crate) fn of(report: &v1::EvaluationReport, membership: Option<&v1::MembershipReport>) -> Self {
        let attacks = membership.map_or(&[][..], |membership| &membership.attacks);
        let mut figures = Self::of_splits(&report.version, report.train.as_ref(), report.test.as_ref(), attacks);
        let has_classes = report.test.as_ref().is_some_and(|test| !test.per_class.is_empty());
        if let Some(reference) = report.reference.as_ref().filter(|_| has_classes) {
            figures.js_to_reference = Some(reference.js_divergence);
            figures.average_gap = Some(reference.average_gap);
            figures.tug_of_war = Some(reference.tug_of_war);
        }
        figures
    }

    /// Of the reference that `report` compares with.
    pub(crate) fn of_reference(
        report: &v1::EvaluationReport,
        membership: Option<&v1::MembershipReport>,
    ) -> Option<Self> {
        let reference = report.reference.as_ref()?;
        let attacks = membership.map_or(&[][..], |membership| &membership.reference_attacks);
        Some(Self::of_splits(&reference.reference, reference.train.as_ref(), reference.test.as_ref(), attacks))
    }

    fn of_splits(
        version: &str,
        train: Option<&v1::SplitEvaluation>,
        test: Option<&v1::SplitEvaluation>,
        attacks: &[v1::AttackReport],
    ) -> Self {
        let mut figures = Self { version: version.to_owned(), ..Self::default() };
        if let Some(train) = train {
            (figures.forget_train_acc, figures.intervals.forget_train_acc) = value_and_interval(train.forget.as_ref());
            (figures.retain_train_acc, figures.intervals.retain_train_acc) = value_and_interval(train.retain.as_ref());
            (figures.forget_train_loss, figures.retain_train_loss) = losses(train);
        }
        if let Some(test) = test {
            (figures.forget_test_acc, figures.intervals.forget_test_acc) = value_and_interval(test.forget.as_ref());
            (figures.retain_test_acc, figures.intervals.retain_test_acc) = value_and_interval(test.retain.as_ref());
            (figures.forget_test_loss, figures.retain_test_loss) = losses(test);
            figures.texts = TextSidesView::of(test);
        }
        if let Some(attack) = attack_named(attacks, v1::Attack::Loss) {
            figures.mia_auc = Some(attack.auc);
            figures.intervals.mia_auc = attack.auc_low.zip(attack.auc_high).map(<[f64; 2]>::from);
        }
        figures
    }

    /// Name and text of each figure, in the order in which people read them.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let percent = |value, interval| accuracy_text(value, interval);
        let mut rows = vec![
            ("forget train accuracy", percent(self.forget_train_acc, self.intervals.forget_train_acc)),
            ("forget test accuracy", percent(self.forget_test_acc, self.intervals.forget_test_acc)),
            ("retain train accuracy", percent(self.retain_train_acc, self.intervals.retain_train_acc)),
            ("retain test accuracy", percent(self.retain_test_acc, self.intervals.retain_test_acc)),
            ("loss attack AUC", auc_text(self.mia_auc, self.intervals.mia_auc)),
            ("forget test loss", table::optional(self.forget_test_loss, |loss| format!("{loss:.3}"))),
            ("retain test loss", table::optional(self.retain_test_loss, |loss| format!("{loss:.3}"))),
            ("JS to reference", table::optional(self.js_to_reference, |nats| format!("{nats:.4}"))),
            ("average gap", table::optional(self.average_gap, table::percent)),
            ("tug of war", table::optional(self.tug_of_war, |value| format!("{value:.3}"))),
        ];
        rows.extend(text_figures::rows(self.texts.as_ref()));
        rows
    }
}

fn value_and_interval(accuracy: Option<&v1::Accuracy>) -> (Option<f64>, Option<[f64; 2]>) {
    let view = AccuracyView::of(accuracy);
    (view.map(|view| view.value), view.map(|view| [view.low, view.high]))
}

/// Of forget and retain samples, where there are any.
fn losses(split: &v1::SplitEvaluation) -> (Option<f64>, Option<f64>) {
    let forget = AccuracyView::of(split.forget.as_ref()).map(|_| split.forget_loss);
    let retain = AccuracyView::of(split.retain.as_ref()).map(|_| split.retain_loss);
    (forget, retain)
}

fn accuracy_text(value: Option<f64>, interval: Option<[f64; 2]>) -> String {
    match (value, interval) {
        (Some(value), Some([low, high])) => table::percent_within(value, low, high),
        (value, _) => table::optional(value, table::percent),
    }
}

fn auc_text(value: Option<f64>, interval: Option<[f64; 2]>) -> String {
    match (value, interval) {
        (Some(value), Some([low, high])) => format!("{value:.3} [{low:.3}, {high:.3}]"),
        (value, _) => table::optional(value, |value| format!("{value:.3}")),
    }
}

/// Columns of figures side by side, rows without any value left out.
pub(super) fn side_by_side(columns: &[(&str, &Figures)]) -> String {
    let headers: Vec<&str> = std::iter::once("").chain(columns.iter().map(|(name, _)| *name)).collect();
    let mut table = table::of_figures(&headers);
    let columns: Vec<_> = columns.iter().map(|(_, figures)| figures.rows()).collect();
    for row in 0..columns.first().map_or(0, Vec::len) {
        let values: Vec<String> = columns.iter().map(|column| column[row].1.clone()).collect();
        if values.iter().any(|value| value != table::ABSENT) {
            table.add_row(std::iter::once(columns[0][row].0.to_owned()).chain(values));
        }
    }
    table::text(&table)
}

/// A split's accuracies by class, for people.
pub(super) fn by_class(classes: &[(String, Option<AccuracyView>)]) -> String {
    let mut table = table::of_figures(&["class", "accuracy"]);
    for (class, value) in classes {
        table.add_row([class.clone(), accuracy::text(*value)]);
    }
    table::text(&table)
}

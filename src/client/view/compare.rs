//! Several unlearning jobs beside the original and the reference: one table.

use serde::Serialize;

use super::{Figures, UnlearnView, View};
use crate::client::table;

/// One row.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Compared {
    pub(crate) label: String,
    /// Of the forget set that the figures are of.
    pub(crate) forget_classes: Vec<String>,
    #[serde(flatten)]
    pub(crate) figures: Figures,
    pub(crate) seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct CompareView {
    /// File that the HTML report was written to.
    pub(crate) path: Option<String>,
    pub(crate) rows: Vec<Compared>,
}

impl CompareView {
    /// Original, each job under its label, reference under its own; original and reference once for each forget set that the jobs
    /// have, for their figures are of that set. `reference_seconds` is what making the reference took.
    pub(crate) fn of(jobs: &[(String, UnlearnView)], reference_label: &str, reference_seconds: Option<f64>) -> Self {
        let mut rows = once_each("original", jobs, |view| Some(&view.before));
        rows.extend(jobs.iter().map(|(label, view)| Compared {
            label: label.clone(),
            forget_classes: view.forget_classes.clone(),
            figures: view.after.clone(),
            seconds: Some(view.seconds),
        }));
        let mut references = once_each(reference_label, jobs, |view| view.reference.as_ref());
        references.iter_mut().for_each(|row| row.seconds = reference_seconds);
        rows.extend(references);
        Self { path: None, rows }
    }
}

/// One version's figures, once where the jobs agree on them, else for each forget set under its name.
fn once_each(
    label: &str,
    jobs: &[(String, UnlearnView)],
    figures: impl Fn(&UnlearnView) -> Option<&Figures>,
) -> Vec<Compared> {
    let mut sets: Vec<(&Figures, Vec<&(String, UnlearnView)>)> = Vec::new();
    for job in jobs {
        let Some(own) = figures(&job.1) else { continue };
        match sets.iter_mut().find(|(known, _)| measured_alike(known, own)) {
            Some((_, members)) => members.push(job),
            None => sets.push((own, vec![job])),
        }
    }
    let is_one = sets.len() < 2;
    let row = |(figures, members): (&Figures, Vec<&(String, UnlearnView)>)| Compared {
        label: if is_one { label.to_owned() } else { format!("{label}, {}", forget_set(&members)) },
        forget_classes: members[0].1.forget_classes.clone(),
        figures: figures.clone(),
        seconds: None,
    };
    sets.into_iter().map(row).collect()
}

/// Whether two jobs measured one version on one forget set; what depends on a reference or on a draw is left out.
fn measured_alike(left: &Figures, right: &Figures) -> bool {
    let figures = |of: &Figures| {
        [of.forget_train_acc, of.forget_test_acc, of.retain_train_acc, of.retain_test_acc, of.forget_train_loss]
    };
    left.version == right.version && figures(left) == figures(right)
}

/// `deer (jobs a, b)`
fn forget_set(members: &[&(String, UnlearnView)]) -> String {
    let labels: Vec<&str> = members.iter().map(|(label, _)| label.as_str()).collect();
    let jobs = if labels.len() == 1 { "job" } else { "jobs" };
    format!("{} ({jobs} {})", members[0].1.forgotten(), labels.join(", "))
}

impl Compared {
    /// Cells in the order of [`HEADERS`].
    pub(crate) fn cells(&self) -> [String; 8] {
        let figures = &self.figures;
        [
            self.label.clone(),
            table::optional(figures.forget_train_acc, table::percent),
            table::optional(figures.forget_test_acc, table::percent),
            table::optional(figures.retain_train_acc, table::percent),
            table::optional(figures.retain_test_acc, table::percent),
            table::optional(figures.mia_auc, |auc| format!("{auc:.3}")),
            table::optional(figures.js_to_reference, |nats| format!("{nats:.4}")),
            table::optional(self.seconds, table::seconds),
        ]
    }
}

pub(crate) const HEADERS: [&str; 8] =
    ["", "forget train", "forget test", "retain train", "retain test", "MIA AUC", "JS to reference", "time"];

impl View for CompareView {
    fn text(&self) -> String {
        let mut table = table::of_figures(&HEADERS);
        for row in &self.rows {
            table.add_row(row.cells());
        }
        let path = self.path.as_ref().map(|path| format!("\nreport: {path}\n"));
        table::text(&table) + &path.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1;
    use crate::pb::v1::Accuracy;

    /// A job that forgot a class, of which the original knew this share.
    fn job(label: &str, class: u32, known: f64) -> (String, UnlearnView) {
        let accuracy = |value| Some(Accuracy { value, correct: 9, total: 10, ..Default::default() });
        let report = |version: &str, value| v1::EvaluationReport {
            version: version.to_owned(),
            forget_classes: vec![class],
            class_names: vec!["cat".into(), "deer".into()],
            train: Some(v1::SplitEvaluation { forget: accuracy(value), ..Default::default() }),
            ..Default::default()
        };
        let result = v1::UnlearnResult {
            before: Some(report("models/m/versions/1", known)),
            after: Some(report(&format!("models/m/versions/{}", class + 2), 0.0)),
            ..Default::default()
        };
        (label.to_owned(), UnlearnView::of("jobs/1", &result))
    }

    fn labels(jobs: &[(String, UnlearnView)]) -> Vec<String> {
        CompareView::of(jobs, "reference", None).rows.into_iter().map(|row| row.label).collect()
    }

    #[test]
    fn jobs_of_one_forget_set_share_the_original() {
        assert_eq!(labels(&[job("a", 1, 0.9), job("b", 1, 0.9)]), ["original", "a", "b"]);
    }

    #[test]
    fn of_several_forget_sets_each_has_an_original_of_its_own() {
        let told = labels(&[job("a", 1, 0.9), job("b", 0, 0.7), job("c", 1, 0.9)]);
        assert_eq!(told, ["original, deer (jobs a, c)", "original, cat (job b)", "a", "b", "c"]);
    }
}

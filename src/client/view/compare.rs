//! Several unlearning jobs beside the original and the reference: one table.

use serde::Serialize;

use super::{Figures, UnlearnView, View};
use crate::client::table;

/// One row.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Compared {
    pub(crate) label: String,
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
    /// Original, each job under its label, reference under its own. `reference_seconds` is what making the reference took.
    pub(crate) fn of(jobs: &[(String, UnlearnView)], reference_label: &str, reference_seconds: Option<f64>) -> Self {
        let mut rows = Vec::new();
        if let Some((_, first)) = jobs.first() {
            rows.push(Compared { label: "original".to_owned(), figures: first.before.clone(), seconds: None });
        }
        for (label, view) in jobs {
            rows.push(Compared { label: label.clone(), figures: view.after.clone(), seconds: Some(view.seconds) });
        }
        if let Some(figures) = jobs.iter().find_map(|(_, view)| view.reference.clone()) {
            rows.push(Compared { label: reference_label.to_owned(), figures, seconds: reference_seconds });
        }
        Self { path: None, rows }
    }
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

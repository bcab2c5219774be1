//! A concept of a bank: how well it can be told.

use serde::Serialize;

use crate::client::table;
use crate::pb::v1;

#[derive(Debug, Serialize)]
pub(crate) struct ConceptView {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) validation: Option<ValidationView>,
    /// Do not rest conclusions on it.
    pub(crate) unreliable: bool,
    /// Files that its images were written to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) examples: Vec<String>,
}

/// How well held-out examples are told apart.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct ValidationView {
    pub(crate) validation_accuracy: f64,
    pub(crate) validation_interval: [f64; 2],
    pub(crate) validation_auc: f64,
    pub(crate) train_accuracy: f64,
    pub(crate) c: f64,
    pub(crate) positives: Option<MarginView>,
    pub(crate) negatives: Option<MarginView>,
}

/// Distances to the hyperplane over held-out examples of one side.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct MarginView {
    pub(crate) count: u32,
    pub(crate) mean: f64,
    pub(crate) std: f64,
    pub(crate) q10: f64,
    pub(crate) q90: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl ConceptView {
    pub(super) fn of(concept: &v1::Concept) -> Self {
        Self {
            name: concept.name.clone(),
            validation: ValidationView::of(concept),
            unreliable: concept.unreliable,
            examples: Vec::new(),
        }
    }

    pub(super) fn cells(&self) -> [String; 6] {
        let validation = self.validation.as_ref();
        let figure = |show: fn(&ValidationView) -> String| validation.map_or_else(|| table::ABSENT.to_owned(), show);
        [
            self.name.clone(),
            figure(ValidationView::accuracy_text),
            figure(|told| format!("{:.3}", told.validation_auc)),
            figure(|told| told.c.to_string()),
            figure(ValidationView::counts_text),
            if self.unreliable { console::style("unreliable").yellow().to_string() } else { String::new() },
        ]
    }
}

impl ValidationView {
    fn of(concept: &v1::Concept) -> Option<Self> {
        Some(Self {
            validation_accuracy: concept.validation_accuracy?,
            validation_interval: [concept.validation_low, concept.validation_high],
            validation_auc: concept.validation_auc,
            train_accuracy: concept.train_accuracy,
            c: concept.c,
            positives: concept.positives.as_ref().map(MarginView::of),
            negatives: concept.negatives.as_ref().map(MarginView::of),
        })
    }

    fn accuracy_text(&self) -> String {
        let [low, high] = self.validation_interval;
        table::percent_within(self.validation_accuracy, low, high)
    }

    /// Held-out examples with and without the concept.
    fn counts_text(&self) -> String {
        let count = |side: &Option<MarginView>| side.as_ref().map_or(0, |margin| margin.count);
        format!("{} + {}", count(&self.positives), count(&self.negatives))
    }
}

impl MarginView {
    fn of(margin: &v1::concept::Margin) -> Self {
        let v1::concept::Margin { count, mean, std, q10, q90, min, max } = *margin;
        Self { count, mean, std, q10, q90, min, max }
    }
}

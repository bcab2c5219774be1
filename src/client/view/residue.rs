//! Whether a forgotten class can still be told by its concepts.

use serde::Serialize;

use super::plan::named;
use crate::pb::v1;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ResidueView {
    pub(crate) class: String,
    pub(crate) index: u32,
    /// 0.5: cannot be told.
    pub(crate) auc_before: f64,
    pub(crate) auc_after: f64,
    /// Concepts by which it is told after, strongest first.
    pub(crate) concepts: Vec<ConceptAuc>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ConceptAuc {
    pub(crate) concept: String,
    pub(crate) auc: f64,
}

impl ResidueView {
    pub(super) fn of(residue: &v1::ConceptResidue) -> Self {
        let concept =
            |told: &v1::concept_residue::ConceptAuc| ConceptAuc { concept: told.concept.clone(), auc: told.auc };
        Self {
            class: named(&residue.class_name, residue.class_index),
            index: residue.class_index,
            auc_before: residue.auc_before,
            auc_after: residue.auc_after,
            concepts: residue.concepts.iter().map(concept).collect(),
        }
    }

    /// `deer is told by its concepts with AUC 0.981 before and 0.642 after, most by brown 0.61, green 0.58`
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{} is told by its concepts with AUC {:.3} before and {:.3} after",
            self.class, self.auc_before, self.auc_after
        );
        let strongest: Vec<String> =
            self.concepts.iter().take(3).map(|told| format!("{} {:.2}", told.concept, told.auc)).collect();
        if !strongest.is_empty() {
            text += ", most by ";
            text += &strongest.join(", ");
        }
        text
    }
}

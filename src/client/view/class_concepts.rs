//! The concepts of a class, and the donor they lead to.

use serde::Serialize;

use super::plan::named;
use crate::client::table;
use crate::client::words::Words;
use crate::pb::v1::{self, concept_report as wire};

#[derive(Debug, Serialize)]
pub(crate) struct ClassConceptsView {
    pub(crate) class: String,
    pub(crate) index: u32,
    /// Most important first.
    pub(crate) concepts: Vec<ClassConceptView>,
    pub(crate) donor: Option<ClassDonorView>,
    /// Where concepts are words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) words: Vec<WordView>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct WordView {
    pub(crate) word: String,
    /// Sum of its shares over texts of the class.
    pub(crate) weight: f64,
    /// Texts of the class that it has a share in.
    pub(crate) texts: i64,
    pub(crate) mean: f64,
    pub(crate) kept_mean: f64,
    pub(crate) p_value: Option<f64>,
    pub(crate) significant: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ClassConceptView {
    pub(crate) concept: String,
    /// Of the class's row in the sparse layer.
    pub(crate) weight: f64,
    /// Of the class's samples beside all, in standard deviations.
    pub(crate) activation: f64,
    pub(crate) tcav: Option<TcavView>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct TcavView {
    pub(crate) score: f64,
    pub(crate) score_std: f64,
    pub(crate) magnitude: f64,
    pub(crate) random_score: f64,
    /// Absent where neither side varies.
    pub(crate) p_value: Option<f64>,
    pub(crate) significant: bool,
}

/// The class that another would be poisoned towards.
#[derive(Debug, Serialize)]
pub(crate) struct ClassDonorView {
    pub(crate) class: String,
    pub(crate) index: u32,
    pub(crate) rule: &'static str,
    pub(crate) reason: String,
}

impl ClassConceptsView {
    pub(super) fn of(class: &wire::ClassConcepts) -> Self {
        Self {
            class: named(&class.class_name, class.class_index),
            index: class.class_index,
            concepts: class.concepts.iter().map(ClassConceptView::of).collect(),
            donor: class.donor.as_ref().map(ClassDonorView::of),
            words: class.words.iter().map(WordView::of).collect(),
        }
    }

    /// `deer: brown +1.23, green +0.81`
    pub(super) fn line(&self) -> String {
        let concepts: Vec<String> =
            self.weights().into_iter().map(|(concept, weight)| format!("{concept} {weight:+.2}")).collect();
        format!("{}: {}", self.class, concepts.join(", "))
    }

    /// Of concepts, or of words.
    pub(crate) fn weights(&self) -> Vec<(String, f64)> {
        let concepts = self.concepts.iter().map(|concept| (concept.concept.clone(), concept.weight));
        concepts.chain(self.words.iter().map(|word| (word.word.clone(), word.weight))).collect()
    }
}

impl WordView {
    fn of(word: &wire::WordConcept) -> Self {
        let wire::WordConcept { word, weight, texts, mean, kept_mean, p_value, significant } = word.clone();
        Self { word, weight, texts, mean, kept_mean, p_value, significant }
    }

    /// Word, weight, texts, mean share here and elsewhere, p and verdict.
    pub(crate) fn cells(&self) -> [String; 7] {
        [
            self.word.clone(),
            format!("{:.3}", self.weight),
            self.texts.to_string(),
            format!("{:.4}", self.mean),
            format!("{:.4}", self.kept_mean),
            table::optional(self.p_value, |p| format!("{p:.1e}")),
            if self.significant { "for it" } else { "" }.to_owned(),
        ]
    }
}

impl ClassConceptView {
    fn of(concept: &wire::ClassConcept) -> Self {
        Self {
            concept: concept.name.clone(),
            weight: concept.weight,
            activation: concept.activation,
            tcav: concept.tcav.as_ref().map(TcavView::of),
        }
    }
}

impl TcavView {
    fn of(tcav: &wire::Tcav) -> Self {
        let wire::Tcav { score, score_std, magnitude, random_score, p_value, significant } = *tcav;
        Self { score, score_std, magnitude, random_score, p_value, significant }
    }

    pub(crate) fn score_text(self) -> String {
        format!("{:.2} ± {:.2}", self.score, self.score_std)
    }

    /// What is significant, and in which direction.
    pub(crate) fn verdict(self) -> &'static str {
        match (self.significant, self.score > self.random_score) {
            (true, true) => "for it",
            (true, false) => "against it",
            (false, _) => "",
        }
    }
}

impl ClassDonorView {
    fn of(donor: &wire::Donor) -> Self {
        Self {
            class: named(&donor.class_name, donor.class_index),
            index: donor.class_index,
            rule: v1::DonorRule::word_of(donor.rule),
            reason: donor.reason.clone(),
        }
    }
}

impl ClassConceptView {
    /// Concept, weight and activation; after a test also score, random score, p and verdict.
    pub(super) fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.concept.clone(), format!("{:+.3}", self.weight), format!("{:+.2}", self.activation)];
        if let Some(tcav) = self.tcav {
            cells.extend([
                tcav.score_text(),
                format!("{:.2}", tcav.random_score),
                table::optional(tcav.p_value, |p| format!("{p:.1e}")),
                tcav.verdict().to_owned(),
            ]);
        }
        cells
    }
}

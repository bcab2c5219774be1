//! What the classes owe to concepts, as it was found.

use serde::{Deserialize, Serialize};

use super::extraction::PcbmSpec;
use crate::domain::evaluation::{Accuracy, Provenance};
use crate::domain::ids::{ConceptBankId, VersionName};
use crate::domain::poison::DonorRule;

/// What TCAV found for one class and one concept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TcavResult {
    /// Mean over runs of the share of samples whose class grows with the concept.
    pub score: f64,
    pub score_std: f64,
    /// Mean directional derivative along the unit vector.
    pub magnitude: f64,
    /// Mean score of random vectors.
    pub random_score: f64,
    /// Two-sided; absent where both sides have no variance (undefined).
    pub p_value: Option<f64>,
    /// After Bonferroni's correction, and with a magnitude beyond that of random vectors.
    pub significant: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassConcept {
    /// Position in the bank.
    pub concept: u32,
    pub name: String,
    /// Of the class's row in the sparse layer.
    pub weight: f64,
    /// Mean projection of the class's samples minus that of all, in standard deviations of all.
    pub activation: f64,
    pub tcav: Option<TcavResult>,
}

/// A word that the texts of a class rest on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WordConcept {
    /// In lower case.
    pub word: String,
    /// Sum of its shares over the texts of the class.
    pub weight: f64,
    /// Texts of the class that it has a share in.
    pub texts: u64,
    /// Mean share in the texts of the class, and in those of the others.
    pub mean: f64,
    pub kept_mean: f64,
    /// Of the difference; absent where it is undefined.
    pub p_value: Option<f64>,
    /// Larger in the class, after Bonferroni's correction over its words.
    pub significant: bool,
}

/// What words were found in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WordSummary {
    pub texts: u64,
    /// Left out: they do not fit into the context.
    pub skipped: u64,
    /// Left out: the model's numbers are not finite.
    pub failed: u64,
    /// With an error of completeness above 5 %.
    pub unconverged: u64,
    pub alpha: f64,
    /// Version of the list of stop-words.
    pub stop_words: String,
}

/// The class that a forgotten class would be poisoned towards, and the rule that fired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DonorSuggestion {
    pub donor: u32,
    pub rule: DonorRule,
    /// In words, with the step of the rule: confusion, shared, next class.
    pub reason: String,
    /// Candidates with their scores, best first.
    pub candidates: Vec<(u32, f64)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassConcepts {
    pub class: u32,
    pub concepts: Vec<ClassConcept>,
    pub donor: Option<DonorSuggestion>,
    /// Heaviest first; where concepts are words.
    #[serde(default)]
    pub words: Vec<WordConcept>,
}

/// The fitted sparse layer and how far it carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PcbmReport {
    pub spec: PcbmSpec,
    pub sample_count: u64,
    /// `weights[class * concepts + concept]`, for raw projections.
    pub weights: Vec<f64>,
    pub biases: Vec<f64>,
    pub train: Accuracy,
    pub test: Option<Accuracy>,
    pub model_train: Accuracy,
    pub model_test: Option<Accuracy>,
    /// With the residual (PCBM-h), when asked for.
    pub residual_train: Option<Accuracy>,
    pub residual_test: Option<Accuracy>,
    /// (accuracy by concepts - chance) / (accuracy of the model - chance), on test data where given.
    pub completeness: f64,
    pub nonzero_count: u64,
    /// Largest violation of the optimality conditions over the classes.
    pub kkt_residual: f64,
    pub iterations: u32,
    pub converged: bool,
}

/// Quality of a concept among the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConceptPurity {
    pub concept: u32,
    pub name: String,
    /// Highest AUC with which another concept's score predicts this concept's presence (above its median); 0.5 is pure.
    pub max_cross_auc: f64,
    pub by: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConceptReport {
    /// Absent: the built-in library, learnt on the way; or words.
    pub bank: Option<ConceptBankId>,
    pub version: VersionName,
    pub classes: Vec<ClassConcepts>,
    /// Absent where concepts are words.
    pub pcbm: Option<PcbmReport>,
    #[serde(default)]
    pub words: Option<WordSummary>,
    pub purity: Vec<ConceptPurity>,
    pub warnings: Vec<String>,
    pub seconds: f64,
    pub provenance: Provenance,
}

/// Whether a forgotten class can still be told from the others by its concepts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConceptResidue {
    pub class: u32,
    /// AUC, on held-out samples, of a logistic probe of the class on all concept projections.
    pub auc_before: f64,
    pub auc_after: f64,
    /// Concepts by which it is told after, strongest first: name and AUC of its projection alone.
    pub concepts: Vec<(String, f64)>,
}

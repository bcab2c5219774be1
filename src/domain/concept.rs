//! Concepts: directions in a model's embedding that stand for something a person can name, and what a class owes to them.
//!
//! A concept bank belongs to one frozen prefix (everything below the head): it fits every version that shares it.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::attribution::TokenAttributionOptions;
use super::dataset::{DataSource, Selector};
use super::evaluation::{Accuracy, Provenance};
use super::finetune::Precision;
use super::ids::{ConceptBankId, DatasetId, ModelRef, VersionName};
use super::poison::DonorRule;
use super::text::TextOptions;

/// How a concept activation vector is found between positive and negative examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum CavMethod {
    /// The normal of a linear support vector classifier with hinge loss (PCBM: Yuksekgonul et al. 2023).
    #[default]
    SvcHinge,
    /// L2-regularised logistic regression.
    Logistic,
    /// Least squares on labels of plus and minus one, L2-regularised.
    Ridge,
    /// Mean of the positives minus mean of all (FastCAV).
    MeanDifference,
}

/// How vectors are learnt from examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CavSpec {
    pub method: CavMethod,
    /// Examples a side to learn from; as many again are held out to validate on.
    pub examples_per_side: u32,
    /// Regularisation strengths tried (SVC and logistic: C; ridge: 1/C); the best on held-out examples wins, ties go to the smallest.
    pub c_grid: Vec<f64>,
}

impl Default for CavSpec {
    fn default() -> Self {
        Self { method: CavMethod::SvcHinge, examples_per_side: 50, c_grid: vec![0.001, 0.01, 0.1, 1.0, 10.0] }
    }
}

/// Samples of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExampleSet {
    pub source: DataSource,
    pub selector: Selector,
}

/// A concept named by the caller, with what shows it and what does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConceptExamples {
    pub name: String,
    pub positives: ExampleSet,
    pub negatives: ExampleSet,
}

/// Where a bank's concepts come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ConceptSource {
    Examples(Vec<ConceptExamples>),
    /// Every split is a concept with the classes `positives` and `negatives` (a BRODEN-style folder, registered as a dataset).
    Dataset(DatasetId),
    /// The built-in library of rendered concepts: those named, or all.
    Procedural(Vec<String>),
    /// Non-negative matrix factorisation of the activations of these samples.
    Discovery {
        examples: ExampleSet,
        concept_count: u32,
        max_samples: u32,
    },
}

impl ConceptSource {
    pub fn datasets(&self) -> Vec<&DatasetId> {
        match self {
            Self::Examples(concepts) => {
                concepts.iter().flat_map(|c| [&c.positives, &c.negatives]).map(|set| &set.source.dataset).collect()
            }
            Self::Dataset(dataset) => vec![dataset],
            Self::Procedural(_) => Vec::new(),
            Self::Discovery { examples, .. } => vec![&examples.source.dataset],
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearnConceptsSpec {
    pub bank: ConceptBankId,
    pub model: ModelRef,
    pub source: ConceptSource,
    pub cav: CavSpec,
    pub precision: Precision,
    pub seed: u64,
}

/// Distances of one side's held-out examples to a concept's hyperplane, `(w·x + b) / ‖w‖`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct MarginStats {
    pub count: u32,
    pub mean: f64,
    pub std: f64,
    pub q10: f64,
    pub q90: f64,
    pub min: f64,
    pub max: f64,
}

/// How well a concept's vector tells its examples apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConceptQuality {
    pub train_accuracy: f64,
    /// On held-out examples, balanced.
    pub validation: Accuracy,
    /// Of the held-out projections.
    pub validation_auc: f64,
    /// The regularisation strength chosen.
    pub c: f64,
    pub positives: MarginStats,
    pub negatives: MarginStats,
    /// Validation accuracy below .6, or its interval reaches down to chance.
    pub unreliable: bool,
}

/// One concept of a bank; its vector is a row of the bank's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Concept {
    pub name: String,
    /// Absent for imported vectors.
    pub quality: Option<ConceptQuality>,
    /// Discovered concepts: the samples that show it best, as `split position` with their score, best first.
    pub best_samples: Vec<(u64, f64)>,
}

/// How the vectors of a bank came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BankOrigin {
    Examples,
    Dataset,
    Procedural,
    Discovered,
    Imported,
}

/// A bank as the registry knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConceptBankRecord {
    pub id: ConceptBankId,
    /// The version it was learnt on.
    pub model: VersionName,
    /// SHA-256 of everything below that version's head; other versions with the same prefix can use the bank.
    pub prefix_hash: String,
    /// Length of a vector.
    pub dim: u32,
    pub origin: BankOrigin,
    pub method: CavMethod,
    pub concepts: Vec<Concept>,
    /// Pairs of concepts whose vectors are nearly the same (cosine above .95), by index.
    pub duplicates: Vec<(u32, u32, f64)>,
    /// Project unit vectors instead of raw activations: `cos(w, e)`; for banks of text vectors.
    pub normalize_input: bool,
    /// What the request said, to learn it again on another version; absent for imported banks.
    pub spec: Option<LearnConceptsSpec>,
    /// Of the examples, as the importer states it.
    pub licence: String,
    /// Discovery: share of the activations' squared norm that the factorisation explains.
    pub explained: Option<f64>,
    pub provenance: Provenance,
    /// Of the vectors' file.
    pub sha256: String,
    pub size_bytes: u64,
    pub create_time: SystemTime,
}

/// The numbers of a bank: what its file holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConceptVectors {
    /// Length of a vector.
    pub dim: usize,
    /// `weights[concept * dim ..][..dim]`.
    pub weights: Vec<f32>,
    pub biases: Vec<f32>,
    /// Activations of the examples behind each concept, for TCAV's repeated runs; empty for imported banks.
    pub examples: Vec<ConceptActivations>,
}

/// Activations of a concept's examples, row after row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConceptActivations {
    pub positives: Vec<f32>,
    pub negatives: Vec<f32>,
}

impl ConceptVectors {
    pub fn len(&self) -> usize {
        self.biases.len()
    }

    pub fn is_empty(&self) -> bool {
        self.biases.is_empty()
    }

    pub fn vector(&self, concept: usize) -> &[f32] {
        &self.weights[concept * self.dim..][..self.dim]
    }
}

/// Settings of the sparse linear layer from concepts to classes (PCBM).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PcbmSpec {
    pub lambda: f64,
    pub l1_ratio: f64,
    /// Fit on standardised projections; weights are given for raw ones.
    pub standardize: bool,
    /// One softmax over all classes instead of one classifier a class.
    pub multinomial: bool,
    /// Also fit the residual on the embedding (PCBM-h).
    pub residual: bool,
}

impl ExtractConceptsSpec {
    pub fn bank(&self) -> Option<&ConceptBankId> {
        match &self.basis {
            ConceptBasis::Bank(bank) => Some(bank),
            ConceptBasis::Words(_) => None,
        }
    }
}

impl Default for PcbmSpec {
    fn default() -> Self {
        Self { lambda: 1e-5, l1_ratio: 0.99, standardize: false, multinomial: false, residual: false }
    }
}

/// Significance-tested TCAV (Kim et al. 2018).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TcavSpec {
    /// Vectors a concept, each against other random samples.
    pub runs: u32,
    /// Random-against-random vectors to compare with.
    pub random_sets: u32,
    /// Samples of a class whose derivatives are counted.
    pub max_samples: u32,
    /// Family-wise error rate, shared over the concepts (Bonferroni).
    pub alpha: f64,
    /// Student's t-test with pooled variance instead of Welch's.
    pub pooled_variance: bool,
}

impl Default for TcavSpec {
    /// Thirty random sets, because with R of them, whose scores scatter between 0 and 1, t reaches √(R − 1): ten never make one of
    /// more than three concepts significant after Bonferroni's correction, thirty do with the library's 56 and with thousands.
    fn default() -> Self {
        Self { runs: 10, random_sets: 30, max_samples: 500, alpha: 0.05, pooled_variance: false }
    }
}

/// Which concepts of a class come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum ConceptSign {
    /// Largest weight first, weights above 0 only.
    #[default]
    Positive,
    /// Largest weight first, of any sign.
    Signed,
    /// Largest absolute weight first.
    Absolute,
}

/// How words are found that classes, or answers, rest on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WordOptions {
    /// How texts are put to the model.
    pub text: TextOptions,
    pub attribution: TokenAttributionOptions,
    /// Texts of a class, a seeded draw.
    pub samples_per_class: u32,
    /// Of texts without labels: the group that is compared with the others; empty: all.
    pub forget: Selector,
    /// Level at which a word is significant, before Bonferroni's correction over the words of its class.
    pub alpha: f64,
}

impl Default for WordOptions {
    fn default() -> Self {
        Self {
            text: TextOptions::default(),
            attribution: TokenAttributionOptions::default(),
            samples_per_class: 100,
            forget: Selector::default(),
            alpha: 0.05,
        }
    }
}

/// What the concepts are that classes are said to owe to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConceptBasis {
    /// Directions in the embedding of a model of images.
    Bank(ConceptBankId),
    /// Words, of a language model.
    Words(WordOptions),
}

/// `test`, `sign`, `pcbm`, `tcav`, `max_samples` and `precision` are for banks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtractConceptsSpec {
    /// Stands as `bank` or `words` in stored records.
    #[serde(flatten)]
    pub basis: ConceptBasis,
    pub model: ModelRef,
    pub train: DataSource,
    pub test: Option<DataSource>,
    /// Names or indices; empty: all.
    pub classes: Vec<String>,
    /// M.
    pub top_concepts: u32,
    pub sign: ConceptSign,
    pub pcbm: PcbmSpec,
    pub tcav: Option<TcavSpec>,
    /// The sparse layer is fitted to at most this many training samples, stratified by class.
    pub max_samples: u32,
    pub precision: Precision,
    pub seed: u64,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// As version 0.1 wrote it.
    const STORED: &str = r#"{"bank":"conceptBanks/basic","model":{"Version":"models/cifar/versions/1"},
        "train":{"dataset":"datasets/cifar","split":"train"},"test":null,"classes":["deer"],"top_concepts":5,"sign":"Positive",
        "pcbm":{"lambda":1e-5,"l1_ratio":0.99,"standardize":false,"multinomial":false,"residual":false},"tcav":null,
        "max_samples":10000,"precision":"F32","seed":7}"#;

    #[test]
    fn yesterdays_extractions_are_read_and_written_alike() {
        let spec: ExtractConceptsSpec = serde_json::from_str(STORED).unwrap();
        assert_eq!(spec.bank().unwrap().id(), "basic");
        let written = serde_json::to_value(&spec).unwrap();
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(STORED).unwrap());
        let words = ExtractConceptsSpec { basis: ConceptBasis::Words(WordOptions::default()), ..spec };
        let again: ExtractConceptsSpec = serde_json::from_value(serde_json::to_value(&words).unwrap()).unwrap();
        assert_eq!(again, words);
    }
}

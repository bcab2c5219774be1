//! Banks: how they are learnt, and what they hold.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::domain::dataset::{DataSource, Selector};
use crate::domain::evaluation::{Accuracy, Provenance};
use crate::domain::finetune::Precision;
use crate::domain::ids::{ConceptBankId, DatasetId, ModelRef, VersionName};

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

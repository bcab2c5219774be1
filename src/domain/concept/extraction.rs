//! What is asked when the concepts of classes are extracted.

use serde::{Deserialize, Serialize};

use crate::domain::attribution::TokenAttributionOptions;
use crate::domain::dataset::{DataSource, Selector};
use crate::domain::finetune::Precision;
use crate::domain::ids::{ConceptBankId, ModelRef};
use crate::domain::text::TextOptions;

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

impl ExtractConceptsSpec {
    pub fn bank(&self) -> Option<&ConceptBankId> {
        match &self.basis {
            ConceptBasis::Bank(bank) => Some(bank),
            ConceptBasis::Words(_) => None,
        }
    }
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

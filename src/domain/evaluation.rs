//! Evaluation of a version: accuracies with confidence intervals, where the forgotten classes go, comparison with a reference.

use serde::{Deserialize, Serialize};

use super::dataset::{DataSource, Selector};
use super::finetune::Precision;
use super::ids::{ModelRef, VersionName};
use super::text::TextOptions;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSpec {
    pub model: ModelRef,
    pub train: Option<DataSource>,
    pub test: DataSource,
    /// May be empty: then only global and per-class figures are given.
    pub forget: Selector,
    pub reference: Option<ModelRef>,
    pub precision: Precision,
    pub seed: u64,
    /// Of a language model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextQuestions>,
}

/// How a language model is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextQuestions {
    pub options: TextOptions,
    /// Whose appearance in written answers is counted.
    pub names: Vec<String>,
    /// Examples of each side that the model writes answers to and figures are taken of; 0: none.
    pub written_answers: u32,
    /// Tokens of a written answer at most; absent: as many as the form of the texts suggests.
    pub max_answer_tokens: Option<u32>,
}

impl Default for TextQuestions {
    fn default() -> Self {
        Self { options: TextOptions::default(), names: Vec::new(), written_answers: 50, max_answer_tokens: None }
    }
}

/// A share of correct answers with its 95 % Wilson interval.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Accuracy {
    pub correct: u64,
    pub total: u64,
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// Figures over one split.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SplitEvaluation {
    pub forget: Accuracy,
    pub retain: Accuracy,
    pub global: Accuracy,
    pub per_class: Vec<Accuracy>,
    /// Mean cross-entropy over forget and retain samples, in nats.
    pub forget_loss: f64,
    pub retain_loss: f64,
    /// Where samples of the forget set are predicted to be: share by class.
    pub destinations: Vec<f64>,
    /// Mean softmax over the forget set, by class.
    pub mean_softmax: Vec<f64>,
    /// `confusion[true * K + predicted]`, counts.
    pub confusion: Vec<u64>,
    /// Of a language model that generates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextSides>,
}

/// Figures of texts of the forget set and of the retained ones.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TextSides {
    pub forget: TextFigures,
    pub retain: TextFigures,
}

/// How a version stands against one trained without the forget set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReferenceComparison {
    pub reference: VersionName,
    pub train: Option<SplitEvaluation>,
    pub test: SplitEvaluation,
    /// Jensen-Shannon divergence (nats) between the mean softmax of both on the forget samples of the test split.
    pub js_divergence: f64,
    /// Mean absolute difference of forget/retain accuracy over the splits.
    pub average_gap: f64,
    /// Tug of war: product of (1 - gap) over forget train, retain train and retain test.
    pub tug_of_war: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    pub version: VersionName,
    pub forget_classes: Vec<u32>,
    pub train: Option<SplitEvaluation>,
    pub test: SplitEvaluation,
    pub reference: Option<ReferenceComparison>,
    pub provenance: Provenance,
}

/// What a language model answers to texts, and how likely it finds their answers. A mean is absent where no example has the figure.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TextFigures {
    pub examples: u64,
    /// Examples that do not fit into the context, so that figures are missing.
    pub skipped: u64,
    /// Of the right answer's words the share that the model's own answer has too, stemmed, in this order (ROUGE-L) or in any (ROUGE-1).
    pub rouge_l_recall: Option<f64>,
    pub rouge_1_recall: Option<f64>,
    /// Of the right answer: the geometric mean over its tokens.
    pub probability: Option<f64>,
    /// Share of the right answer's tokens that are the likeliest in their places.
    pub exact_memorisation: Option<f64>,
    /// 1 − k/n with the first k of n tokens after which all others are the likeliest.
    pub extraction_strength: Option<f64>,
    /// Where forbidden names were given.
    pub appearance: Option<NameAppearance>,
    /// Where wrong answers are known.
    pub truth_ratio: Option<TruthRatio>,
}

/// In how many of the model's answers forbidden names appear; `correct` counts these.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NameAppearance {
    /// At least one of them.
    pub any: Accuracy,
    /// In the order of the names.
    pub by_name: Vec<(String, Accuracy)>,
}

/// Means of what follows from each example's truth ratio r, the probability of the wrong answers (their geometric mean) over that of the
/// right one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct TruthRatio {
    /// min(r, 1/r): 1 where the model does not tell right from wrong, as is wanted of what it was to forget.
    pub forget: f64,
    /// max(0, 1 − r): 1 where the right answer is far likelier, as is wanted of what it was to keep.
    pub keep: f64,
}

/// What a number rests on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Provenance {
    pub model_hash: String,
    pub data_hashes: Vec<String>,
    pub config_hash: String,
    pub seed: u64,
    pub code_version: String,
}

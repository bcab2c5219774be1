//! Membership inference: attacks, and the report of one. Orientation of every score: higher means more likely a member.

use serde::{Deserialize, Serialize};

use super::dataset::{DataSource, Selector};
use super::error::{Error, Result};
use super::evaluation::Provenance;
use super::ids::{ModelRef, VersionName};
use super::text::TextOptions;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Attack {
    Loss,
    Confidence,
    Entropy,
    ModifiedEntropy,
    CorrectnessGap,
    /// Logistic regression on the loss, 10 stratified splits.
    SimpleMia,
    /// RBF SVC on the confidence, trained on retained members against non-members.
    SvcEfficacy,
    /// Linear SVC on the original model's softmax, applied to this model's.
    ForgettingRate,
    /// Mean log-probability of the tokens over the compressed length of their text.
    Zlib,
    /// Mean of the lowest fifth of the tokens' log-probabilities.
    MinK,
    /// The same of log-probabilities standardised by their distribution over the vocabulary.
    MinKPlusPlus,
    /// By how much a reference model finds the text less likely.
    Reference,
}

impl Attack {
    /// On what a model says of classes: images, labelled texts.
    pub const OF_CLASSES: [Self; 8] = [
        Self::Loss,
        Self::Confidence,
        Self::Entropy,
        Self::ModifiedEntropy,
        Self::CorrectnessGap,
        Self::SimpleMia,
        Self::SvcEfficacy,
        Self::ForgettingRate,
    ];

    /// On how likely a language model finds the tokens of texts.
    pub const OF_TOKENS: [Self; 5] = [Self::Loss, Self::Zlib, Self::MinK, Self::MinKPlusPlus, Self::Reference];

    /// As requests and messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "LOSS",
            Self::Confidence => "CONFIDENCE",
            Self::Entropy => "ENTROPY",
            Self::ModifiedEntropy => "MODIFIED_ENTROPY",
            Self::CorrectnessGap => "CORRECTNESS_GAP",
            Self::SimpleMia => "SIMPLE_MIA",
            Self::SvcEfficacy => "SVC_EFFICACY",
            Self::ForgettingRate => "FORGETTING_RATE",
            Self::Zlib => "ZLIB",
            Self::MinK => "MIN_K",
            Self::MinKPlusPlus => "MIN_K_PLUS_PLUS",
            Self::Reference => "REFERENCE",
        }
    }
}

/// Refuses an attack by position that looks at tokens where there are only classes.
///
/// # Errors
/// `FIELD_NOT_FOR_MODEL` under `attacks[i]`.
pub fn check_class_attacks(attacks: &[Attack]) -> Result<()> {
    check_attacks(attacks, &Attack::OF_CLASSES, "looks at the tokens of texts, and this model tells classes")
}

/// Refuses an attack by position that looks at classes where there are only tokens.
///
/// # Errors
/// `FIELD_NOT_FOR_MODEL` under `attacks[i]`.
pub fn check_token_attacks(attacks: &[Attack]) -> Result<()> {
    check_attacks(attacks, &Attack::OF_TOKENS, "looks at classes, and these texts have none")
}

fn check_attacks(attacks: &[Attack], possible: &[Attack], why_not: &str) -> Result<()> {
    let Some(index) = attacks.iter().position(|attack| !possible.contains(attack)) else { return Ok(()) };
    let names: Vec<&str> = possible.iter().map(|attack| attack.name()).collect();
    let description = format!("{} {why_not}; the attacks are {}", attacks[index].name(), names.join(", "));
    Err(Error::invalid("FIELD_NOT_FOR_MODEL", format!("attacks[{index}]"), description))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttackFlag {
    /// Fewer non-members than the smallest false-positive rate needs.
    LowResolution,
    /// Constant scores or features.
    Degenerate,
    /// AUC below one half: not better, but a sign of over-unlearning.
    BelowChance,
    /// The attack's classifier was stopped before it reached its tolerance.
    NotConverged,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MembershipSpec {
    pub model: ModelRef,
    /// Members (train) and non-members (test) are the samples of both that `forget` selects.
    pub train: DataSource,
    pub test: DataSource,
    pub forget: Selector,
    /// For FORGETTING_RATE; the version's parent when absent.
    pub original: Option<ModelRef>,
    /// A version trained without the forget set.
    pub reference: Option<ModelRef>,
    pub attacks: Vec<Attack>,
    pub bootstrap_samples: u32,
    pub seed: u64,
    /// Of a language model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextOptions>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    pub false_positive_rate: f64,
    pub true_positive_rate: f64,
}

/// The outcome of one attack. For SIMPLE_MIA, SVC_EFFICACY and FORGETTING_RATE `rate` holds the published figure
/// (mean accuracy; share of forget members called non-members) and AUC is that of the decision values. For CORRECTNESS_GAP it holds
/// the accuracy of the gap attack, ½ (1 + accuracy of members − accuracy of non-members). Absent when degenerate classifiers say nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttackReport {
    pub attack: Attack,
    pub auc: f64,
    pub auc_interval: Option<Interval>,
    pub balanced_accuracy: f64,
    /// max |TPR - FPR|.
    pub advantage: f64,
    /// True-positive rate at false-positive rates of 10, 1 and 0.1 %: the highest reached at or below.
    pub tpr_at_fpr: Vec<RocPoint>,
    pub roc: Vec<RocPoint>,
    pub rate: Option<f64>,
    pub flags: Vec<AttackFlag>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MembershipReport {
    pub version: VersionName,
    pub member_count: u64,
    pub non_member_count: u64,
    pub attacks: Vec<AttackReport>,
    /// The same attacks on the reference, when one is given.
    pub reference: Option<(VersionName, Vec<AttackReport>)>,
    pub provenance: Provenance,
}

impl MembershipReport {
    pub fn attack(&self, attack: Attack) -> Option<&AttackReport> {
        self.attacks.iter().find(|report| report.attack == attack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attack_for_the_other_kind_of_data_is_named_by_its_place() {
        let error = check_class_attacks(&[Attack::Loss, Attack::MinKPlusPlus]).unwrap_err();
        assert_eq!((error.reason, error.violations[0].field.as_str()), ("FIELD_NOT_FOR_MODEL", "attacks[1]"));
        assert!(error.message.contains("MIN_K_PLUS_PLUS") && error.message.contains("SIMPLE_MIA"), "{error}");
        let error = check_token_attacks(&[Attack::Entropy]).unwrap_err();
        assert!(error.violations[0].field == "attacks[0]" && error.message.contains("ENTROPY"), "{error}");
        assert!(check_class_attacks(&Attack::OF_CLASSES).is_ok() && check_token_attacks(&Attack::OF_TOKENS).is_ok());
        assert!(check_class_attacks(&[]).is_ok());
    }
}

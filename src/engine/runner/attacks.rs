//! Membership inference from predictions: which samples stand on which side, and which attacks can run.

use super::super::sources::{HeldOut, Samples, sample};
use super::texts::TokenSides;
use crate::domain::membership::{Attack, AttackReport};
use crate::domain::{Error, Result};
use crate::ml::evaluation::Predictions;
use crate::ml::membership::{AttackInputs, OriginalInputs, TextInputs, attack, text_attack};

/// Retained samples a side; an attack that learns from them is quadratic in their number.
const RETAINED_SAMPLES: usize = 1000;

/// Positions in the training split and in the held-out split.
#[derive(Debug, Clone)]
pub(super) struct Sides {
    pub(super) members: Vec<usize>,
    pub(super) non_members: Vec<usize>,
    pub(super) retained_members: Vec<usize>,
    pub(super) retained_non_members: Vec<usize>,
}

impl Sides {
    pub(super) fn new(train: &Samples, test: &HeldOut, seed: u64) -> Self {
        let (non_members, rest) = test.non_members(seed);
        let retained = train.rest();
        let count = RETAINED_SAMPLES.min(retained.len()).min(rest.len());
        Self {
            members: train.selected.clone(),
            non_members,
            retained_members: sample(&retained, count, seed, 1),
            retained_non_members: sample(&rest, count, seed, 2),
        }
    }

    /// From predictions on the whole splits.
    pub(super) fn inputs(&self, train: &Predictions, test: &Predictions) -> AttackInputs {
        AttackInputs {
            forget_members: train.subset(&self.members),
            forget_non_members: test.subset(&self.non_members),
            retained_members: train.subset(&self.retained_members),
            retained_non_members: test.subset(&self.retained_non_members),
            original: None,
        }
    }
}

pub(super) fn with_original(inputs: AttackInputs, original: &AttackInputs) -> AttackInputs {
    let original =
        OriginalInputs { members: original.forget_members.clone(), non_members: original.forget_non_members.clone() };
    AttackInputs { original: Some(original), ..inputs }
}

/// How attacks are run.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Empty: all that the inputs allow.
    pub(super) attacks: Vec<Attack>,
    pub(super) bootstrap_samples: u32,
    pub(super) seed: u64,
}

/// What a model said of members and others.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    /// Of their classes, where they have any.
    pub(super) classes: Option<AttackInputs>,
    /// Of their tokens, where it says any.
    pub(super) tokens: Option<TokenSides>,
}

impl Asked {
    /// What classes decide is attacked by classes, the rest by tokens.
    fn attack(&self, which: Attack, reference: Option<&TokenSides>, settings: &Settings) -> Result<AttackReport> {
        let Settings { bootstrap_samples, seed, .. } = *settings;
        match (&self.classes, &self.tokens) {
            (Some(inputs), _) if Attack::OF_CLASSES.contains(&which) => attack(inputs, which, bootstrap_samples, seed),
            (_, Some(tokens)) => {
                text_attack(tokens.inputs(), reference.map(TokenSides::inputs), which, bootstrap_samples, seed)
            }
            (Some(inputs), None) => attack(inputs, which, bootstrap_samples, seed),
            (None, None) => Err(Error::failed_precondition("TOO_FEW_SAMPLES", "there is nothing to attack")),
        }
    }

    fn possible(&self) -> Vec<Attack> {
        let of_classes = self.classes.iter().flat_map(|_| Attack::OF_CLASSES);
        let of_tokens = self.tokens.iter().flat_map(|_| Attack::OF_TOKENS);
        let mut possible: Vec<Attack> = of_classes.chain(of_tokens).collect();
        possible.sort();
        possible.dedup();
        possible
    }
}

impl TokenSides {
    fn inputs(&self) -> TextInputs<'_> {
        TextInputs { members: &self.members, non_members: &self.non_members }
    }
}

/// Attacks that were named must run; of the others those are left out that the samples do not allow. `reference`: what a model says of the
/// tokens that never saw them.
pub(super) fn attack_all(
    asked: &Asked,
    reference: Option<&TokenSides>,
    settings: &Settings,
) -> Result<Vec<AttackReport>> {
    let run = |which: &Attack| asked.attack(*which, reference, settings);
    if !settings.attacks.is_empty() {
        return settings.attacks.iter().map(run).collect();
    }
    let possible = asked.possible();
    possible.iter().map(run).filter(|report| !report.as_ref().is_err_and(is_lack_of_input)).collect()
}

fn is_lack_of_input(error: &Error) -> bool {
    matches!(error.reason, "TOO_FEW_SAMPLES" | "ORIGINAL_MISSING" | "REFERENCE_MISSING")
}

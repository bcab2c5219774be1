//! Runs attacks and reports them.

use crate::domain::Result;
use crate::domain::membership::{Attack, AttackReport};
use crate::ml::evaluation::Predictions;

/// What the attacks look at: this model's predictions, and for FORGETTING_RATE those of the original model.
#[derive(Debug, Clone)]
pub struct AttackInputs {
    /// Samples of the forget set that were trained on.
    pub forget_members: Predictions,
    /// Held-out samples that the same selector picks (same class).
    pub forget_non_members: Predictions,
    /// A sample of the retained training samples; SVC_EFFICACY learns from them.
    pub retained_members: Predictions,
    /// A sample of the retained held-out samples; SVC_EFFICACY learns from them.
    pub retained_non_members: Predictions,
    /// FORGETTING_RATE learns from them.
    pub original: Option<OriginalInputs>,
}

/// The original model's predictions on the same forget members and non-members, in the same order.
#[derive(Debug, Clone)]
pub struct OriginalInputs {
    pub members: Predictions,
    pub non_members: Predictions,
}

/// Runs one attack. `bootstrap` resamples give the interval of the AUC; zero leaves it out.
pub fn attack(inputs: &AttackInputs, which: Attack, bootstrap: u32, seed: u64) -> Result<AttackReport> {
    let _ = (inputs, which, bootstrap, seed);
    Err(crate::domain::Error::internal("being written"))
}

/// Runs the attacks in the order given.
pub fn run_all(inputs: &AttackInputs, attacks: &[Attack], bootstrap: u32, seed: u64) -> Result<Vec<AttackReport>> {
    attacks.iter().map(|which| attack(inputs, *which, bootstrap, seed)).collect()
}

//! Runs attacks and reports them: checks of what goes in, the attack, and the figures and flags of what comes out.

use super::correctness_gap::correctness_gap;
use super::forgetting_rate::forgetting_rate;
use super::outcome::Outcome;
use super::roc::Roc;
use super::scores::{self, Score, scores};
use super::simple_mia::simple_mia;
use super::svc_efficacy::svc_efficacy;
use super::{bootstrap, checks};
use crate::domain::Result;
use crate::domain::membership::{Attack, AttackFlag, AttackReport, RocPoint};
use crate::ml::evaluation::Predictions;

/// False-positive rates at which the true-positive rate is read.
const FALSE_POSITIVE_RATES: [f64; 3] = [0.1, 0.01, 0.001];
/// Points of the curve in a report; longer curves are thinned.
const CURVE_CAP: usize = 500;

/// What the attacks look at: this model's predictions, and for FORGETTING_RATE those of the original model.
#[derive(Debug, Clone, Default)]
pub struct AttackInputs {
    /// Samples of the forget set that were trained on.
    pub forget_members: Predictions,
    /// Held-out samples that the same selector picks (same class).
    pub forget_non_members: Predictions,
    /// A sample of the retained training samples; SVC_EFFICACY learns from them. May be empty for the other attacks.
    pub retained_members: Predictions,
    /// A sample of the retained held-out samples; SVC_EFFICACY learns from them. May be empty for the other attacks.
    pub retained_non_members: Predictions,
    /// FORGETTING_RATE learns from them.
    pub original: Option<OriginalInputs>,
}

/// The original model's predictions on the same forget members and non-members, in the same order.
#[derive(Debug, Clone, Default)]
pub struct OriginalInputs {
    pub members: Predictions,
    pub non_members: Predictions,
}

/// Runs one attack. `bootstrap` resamples give the interval of the AUC; zero leaves it out.
///
/// Fails with TOO_FEW_SAMPLES when a side has fewer than ten samples, ORIGINAL_MISSING when FORGETTING_RATE has no original model,
/// and with what `Predictions::validate` refuses (NON_FINITE_LOGITS, TOO_FEW_CLASSES, LABEL_OUT_OF_RANGE).
pub fn attack(inputs: &AttackInputs, which: Attack, bootstrap: u32, seed: u64) -> Result<AttackReport> {
    checks::usable("forget members (train)", &inputs.forget_members)?;
    checks::usable("forget non-members (test)", &inputs.forget_non_members)?;
    checks::same_classes(&inputs.forget_members, &inputs.forget_non_members)?;
    Ok(report(which, &run(inputs, which, seed)?, bootstrap, seed))
}

/// Runs the attacks in the order given.
pub fn run_all(inputs: &AttackInputs, attacks: &[Attack], bootstrap: u32, seed: u64) -> Result<Vec<AttackReport>> {
    attacks.iter().map(|which| attack(inputs, *which, bootstrap, seed)).collect()
}

fn run(inputs: &AttackInputs, which: Attack, seed: u64) -> Result<Outcome> {
    let (members, non_members) = (&inputs.forget_members, &inputs.forget_non_members);
    let by = |score: Score| {
        Ok(Outcome { members: scores(members, score), non_members: scores(non_members, score), rate: None })
    };
    match which {
        Attack::Loss => by(scores::loss),
        Attack::Confidence => by(scores::confidence),
        Attack::Entropy => by(scores::entropy),
        Attack::ModifiedEntropy => by(scores::modified_entropy),
        Attack::CorrectnessGap => Ok(correctness_gap(members, non_members)),
        Attack::SimpleMia => Ok(simple_mia(members, non_members, seed)),
        Attack::SvcEfficacy => {
            checks::usable("retained members (train)", &inputs.retained_members)?;
            checks::usable("retained non-members (test)", &inputs.retained_non_members)?;
            Ok(svc_efficacy(inputs, seed))
        }
        Attack::ForgettingRate => {
            let original = checks::original(inputs)?;
            Ok(forgetting_rate(original, members, non_members, seed))
        }
    }
}

fn report(attack: Attack, outcome: &Outcome, bootstrap: u32, seed: u64) -> AttackReport {
    let roc = Roc::new(&outcome.members, &outcome.non_members);
    AttackReport {
        attack,
        auc: roc.auc(),
        auc_interval: bootstrap::auc_interval(&outcome.members, &outcome.non_members, bootstrap, seed),
        balanced_accuracy: roc.balanced_accuracy(),
        advantage: roc.advantage(),
        tpr_at_fpr: FALSE_POSITIVE_RATES.map(|rate| rates_at(&roc, rate)).to_vec(),
        roc: roc.capped_curve(CURVE_CAP),
        rate: outcome.rate,
        flags: flags(&roc, outcome.non_members.len()),
    }
}

fn rates_at(roc: &Roc, false_positive_rate: f64) -> RocPoint {
    RocPoint { false_positive_rate, true_positive_rate: roc.true_positive_rate_at(false_positive_rate) }
}

fn flags(roc: &Roc, non_members: usize) -> Vec<AttackFlag> {
    let smallest = FALSE_POSITIVE_RATES[FALSE_POSITIVE_RATES.len() - 1];
    let raised = [
        (AttackFlag::LowResolution, (non_members as f64) < 1.0 / smallest),
        (AttackFlag::Degenerate, roc.is_constant()),
        (AttackFlag::BelowChance, roc.auc() < 0.5),
    ];
    raised.into_iter().filter(|(_, raised)| *raised).map(|(flag, _)| flag).collect()
}

//! Runs attacks and reports them: checks of what goes in, the attack, and the figures and flags of what comes out.

use super::correctness_gap::correctness_gap;
use super::forgetting_rate::forgetting_rate;
use super::outcome::Outcome;
use super::roc::Roc;
use super::scores::{self, Score, scores};
use super::simple_mia::simple_mia;
use super::svc_efficacy::svc_efficacy;
use super::{bootstrap, checks};
use crate::domain::membership::{Attack, AttackFlag, AttackReport, RocPoint, check_class_attacks};
use crate::domain::{Error, Result};
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
/// with what `Predictions::validate` refuses (NON_FINITE_LOGITS, TOO_FEW_CLASSES, CLASS_COUNT_MISMATCH), and with FIELD_NOT_FOR_MODEL for an
/// attack on tokens, which `text_attack` runs.
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
        let (members, non_members) = (scores(members, score), scores(non_members, score));
        Ok(Outcome { members, non_members, rate: None, converged: true })
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
        Attack::Zlib | Attack::MinK | Attack::MinKPlusPlus | Attack::Reference => {
            Err(check_class_attacks(&[which]).err().unwrap_or_else(|| Error::internal("an attack was not run")))
        }
    }
}

pub(super) fn report(attack: Attack, outcome: &Outcome, bootstrap: u32, seed: u64) -> AttackReport {
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
        flags: flags(&roc, outcome),
    }
}

fn rates_at(roc: &Roc, false_positive_rate: f64) -> RocPoint {
    RocPoint { false_positive_rate, true_positive_rate: roc.true_positive_rate_at(false_positive_rate) }
}

fn flags(roc: &Roc, outcome: &Outcome) -> Vec<AttackFlag> {
    let smallest = FALSE_POSITIVE_RATES[FALSE_POSITIVE_RATES.len() - 1];
    let raised = [
        (AttackFlag::LowResolution, (outcome.non_members.len() as f64) < 1.0 / smallest),
        (AttackFlag::Degenerate, roc.is_constant()),
        (AttackFlag::BelowChance, roc.auc() < 0.5),
        (AttackFlag::NotConverged, !outcome.converged),
    ];
    raised.into_iter().filter(|(_, raised)| *raised).map(|(flag, _)| flag).collect()
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;
    use crate::ml::random::{Purpose, stream};

    /// Answers over four classes, label 0, whose true logit is about `confidence` above the others.
    fn side(count: usize, confidence: f32, index: u64) -> Predictions {
        let mut random = stream(11, Purpose::Fraction, index);
        let mut predictions = Predictions { class_count: 4, ..Predictions::default() };
        for _ in 0..count {
            let mut row = [0.0_f32; 4].map(|_| 2.0 * random.random::<f32>());
            row[0] += confidence * (0.5 + random.random::<f32>());
            predictions.extend(&row, &[0]);
        }
        predictions
    }

    /// A model that remembers: members are answered with more confidence.
    fn remembering() -> AttackInputs {
        let (members, non_members) = (side(300, 4.0, 0), side(200, 2.0, 1));
        AttackInputs {
            forget_members: members.clone(),
            forget_non_members: non_members.clone(),
            retained_members: side(400, 4.0, 2),
            retained_non_members: side(300, 2.0, 3),
            original: Some(OriginalInputs { members, non_members }),
        }
    }

    /// The same after the forget class is answered as if never seen.
    fn forgetting() -> AttackInputs {
        AttackInputs { forget_members: side(300, 2.0, 4), forget_non_members: side(200, 2.0, 5), ..remembering() }
    }

    #[test]
    fn every_attack_finds_a_model_that_remembers() {
        for report in run_all(&remembering(), &Attack::OF_CLASSES, 100, 1).unwrap() {
            if report.attack == Attack::CorrectnessGap {
                continue;
            }
            let interval = report.auc_interval.unwrap();
            assert!(report.auc > 0.7 && interval.low > 0.6, "{:?}: {} {interval:?}", report.attack, report.auc);
            assert!(interval.low <= report.auc && report.auc <= interval.high);
            assert_eq!(report.tpr_at_fpr.len(), 3);
            assert_eq!(report.flags, [AttackFlag::LowResolution]);
        }
    }

    #[test]
    fn published_figures_move_the_right_way_when_a_model_forgets() {
        let rate = |inputs: &AttackInputs, which| attack(inputs, which, 0, 1).unwrap().rate.unwrap();
        for which in [Attack::SvcEfficacy, Attack::ForgettingRate] {
            let (before, after) = (rate(&remembering(), which), rate(&forgetting(), which));
            assert!(before < 0.4 && after > 0.6, "{which:?}: {before} then {after}");
        }
        let (before, after) = (rate(&remembering(), Attack::SimpleMia), rate(&forgetting(), Attack::SimpleMia));
        assert!(before > 0.65 && (after - 0.5).abs() < 0.1, "{before} then {after}");
    }

    #[test]
    fn a_report_depends_on_the_seed_alone() {
        let reports = |seed| run_all(&remembering(), &Attack::OF_CLASSES, 20, seed).unwrap();
        assert_eq!(reports(1), reports(1));
        assert_ne!(reports(1), reports(2));
    }

    #[test]
    fn constant_answers_are_degenerate_for_every_attack() {
        let constant = |count| Predictions { class_count: 2, logits: vec![1.0; 2 * count], labels: vec![0; count] };
        let inputs = AttackInputs {
            forget_members: constant(20),
            forget_non_members: constant(15),
            retained_members: constant(20),
            retained_non_members: constant(20),
            original: Some(OriginalInputs { members: constant(20), non_members: constant(15) }),
        };
        for report in run_all(&inputs, &Attack::OF_CLASSES, 10, 1).unwrap() {
            assert_eq!(report.auc, 0.5, "{:?}", report.attack);
            assert_eq!(report.flags, [AttackFlag::LowResolution, AttackFlag::Degenerate], "{:?}", report.attack);
        }
    }

    #[test]
    fn members_answered_worse_than_others_are_below_chance() {
        let inputs = AttackInputs {
            forget_members: side(50, 1.0, 0),
            forget_non_members: side(1000, 4.0, 1),
            ..AttackInputs::default()
        };
        let report = attack(&inputs, Attack::Loss, 0, 1).unwrap();
        assert_eq!(report.flags, [AttackFlag::BelowChance]);
        assert_eq!(report.auc_interval, None);
    }

    #[test]
    fn a_classifier_that_was_stopped_early_is_flagged() {
        let stopped =
            Outcome { members: vec![1.0; 2000], non_members: vec![0.0; 2000], rate: Some(0.0), converged: false };
        assert_eq!(report(Attack::ForgettingRate, &stopped, 0, 1).flags, [AttackFlag::NotConverged]);
    }

    #[test]
    fn what_cannot_be_attacked_is_refused_with_a_reason() {
        let reason = |inputs: &AttackInputs, which| attack(inputs, which, 0, 1).unwrap_err().reason;
        let few = AttackInputs { forget_members: side(9, 1.0, 0), ..remembering() };
        assert_eq!(reason(&few, Attack::Loss), "TOO_FEW_SAMPLES");
        let alone = AttackInputs { retained_members: Predictions::default(), ..remembering() };
        assert_eq!(reason(&alone, Attack::SvcEfficacy), "TOO_FEW_SAMPLES");
        assert!(attack(&alone, Attack::Loss, 0, 1).is_ok());
        let orphan = AttackInputs { original: None, ..remembering() };
        assert_eq!(reason(&orphan, Attack::ForgettingRate), "ORIGINAL_MISSING");
        let mut broken = remembering();
        broken.forget_non_members.logits[5] = f32::INFINITY;
        assert_eq!(reason(&broken, Attack::Entropy), "NON_FINITE_LOGITS");
    }

    #[test]
    fn long_curves_are_thinned() {
        let inputs = AttackInputs {
            forget_members: side(1000, 2.0, 0),
            forget_non_members: side(1000, 2.0, 1),
            ..AttackInputs::default()
        };
        assert_eq!(attack(&inputs, Attack::Loss, 0, 1).unwrap().roc.len(), CURVE_CAP);
    }
}

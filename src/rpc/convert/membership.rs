//! evaluations.proto: membership inference.

use super::common::{each, optional_model, required_source, selector};
use super::fields::{known, parsed, wire_count, within};
use crate::domain::membership::{Attack, AttackFlag, AttackReport, MembershipReport, MembershipSpec, RocPoint};
use crate::domain::text::TextOptions;
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;

const DEFAULT_BOOTSTRAP_SAMPLES: u32 = 1000;
const MAX_BOOTSTRAP_SAMPLES: u32 = 100_000;

impl TryFrom<pb::EvaluateMembershipInferenceRequest> for MembershipSpec {
    type Error = Error;

    fn try_from(value: pb::EvaluateMembershipInferenceRequest) -> Result<Self> {
        let pb::EvaluateMembershipInferenceRequest {
            model,
            train,
            test,
            forget,
            original_model,
            reference_model,
            attacks,
            bootstrap_samples: samples,
            seed,
            text,
            request_id: _,
            priority: _,
            timeout: _,
        } = value;
        let forget = selector(forget, "forget")?;
        if forget.is_empty() {
            return Err(Error::invalid("MISSING_FIELD", "forget", "is required: name what was to be forgotten"));
        }
        Ok(Self {
            model: parsed(&model, "model")?,
            train: required_source(train, "train")?,
            test: required_source(test, "test")?,
            forget,
            original: optional_model(&original_model, "original_model")?,
            reference: optional_model(&reference_model, "reference_model")?,
            attacks: each(attacks, "attacks", attack)?,
            bootstrap_samples: bootstrap_samples(samples)?,
            seed,
            text: text.map(TextOptions::try_from).transpose().map_err(|error| error.under("text"))?,
        })
    }
}

fn bootstrap_samples(samples: u32) -> Result<u32> {
    match samples {
        0 => Ok(DEFAULT_BOOTSTRAP_SAMPLES),
        samples => within(samples, 1..=MAX_BOOTSTRAP_SAMPLES, "bootstrap_samples"),
    }
}

impl From<MembershipSpec> for pb::EvaluateMembershipInferenceRequest {
    fn from(value: MembershipSpec) -> Self {
        let MembershipSpec { model, train, test, forget, original, reference, attacks, bootstrap_samples, seed, text } =
            value;
        Self {
            model: model.to_string(),
            train: Some(train.into()),
            test: Some(test.into()),
            forget: Some(forget.into()),
            original_model: original.map(|original| original.to_string()).unwrap_or_default(),
            reference_model: reference.map(|reference| reference.to_string()).unwrap_or_default(),
            attacks: attacks.into_iter().map(|attack| pb::Attack::from(attack).into()).collect(),
            bootstrap_samples,
            seed,
            text: text.map(Into::into),
            ..Self::default()
        }
    }
}

fn attack(number: i32) -> Result<Attack> {
    match known(number, "")? {
        pb::Attack::Unspecified => Err(Error::invalid("UNKNOWN_ENUM_VALUE", "", "must name an attack")),
        pb::Attack::Loss => Ok(Attack::Loss),
        pb::Attack::Confidence => Ok(Attack::Confidence),
        pb::Attack::Entropy => Ok(Attack::Entropy),
        pb::Attack::ModifiedEntropy => Ok(Attack::ModifiedEntropy),
        pb::Attack::CorrectnessGap => Ok(Attack::CorrectnessGap),
        pb::Attack::SimpleMia => Ok(Attack::SimpleMia),
        pb::Attack::SvcEfficacy => Ok(Attack::SvcEfficacy),
        pb::Attack::ForgettingRate => Ok(Attack::ForgettingRate),
        pb::Attack::Zlib => Ok(Attack::Zlib),
        pb::Attack::MinK => Ok(Attack::MinK),
        pb::Attack::MinKPlusPlus => Ok(Attack::MinKPlusPlus),
        pb::Attack::Reference => Ok(Attack::Reference),
    }
}

impl From<Attack> for pb::Attack {
    fn from(value: Attack) -> Self {
        match value {
            Attack::Loss => Self::Loss,
            Attack::Confidence => Self::Confidence,
            Attack::Entropy => Self::Entropy,
            Attack::ModifiedEntropy => Self::ModifiedEntropy,
            Attack::CorrectnessGap => Self::CorrectnessGap,
            Attack::SimpleMia => Self::SimpleMia,
            Attack::SvcEfficacy => Self::SvcEfficacy,
            Attack::ForgettingRate => Self::ForgettingRate,
            Attack::Zlib => Self::Zlib,
            Attack::MinK => Self::MinK,
            Attack::MinKPlusPlus => Self::MinKPlusPlus,
            Attack::Reference => Self::Reference,
        }
    }
}

impl From<AttackFlag> for pb::attack_report::Flag {
    fn from(value: AttackFlag) -> Self {
        match value {
            AttackFlag::LowResolution => Self::LowResolution,
            AttackFlag::Degenerate => Self::Degenerate,
            AttackFlag::BelowChance => Self::BelowChance,
            AttackFlag::NotConverged => Self::NotConverged,
        }
    }
}

impl From<RocPoint> for pb::attack_report::RocPoint {
    fn from(value: RocPoint) -> Self {
        let RocPoint { false_positive_rate, true_positive_rate } = value;
        Self { false_positive_rate, true_positive_rate }
    }
}

impl From<AttackReport> for pb::AttackReport {
    fn from(value: AttackReport) -> Self {
        let AttackReport { attack, auc, auc_interval, balanced_accuracy, advantage, tpr_at_fpr, roc, rate, flags } =
            value;
        Self {
            attack: pb::Attack::from(attack).into(),
            auc,
            auc_low: auc_interval.map(|interval| interval.low),
            auc_high: auc_interval.map(|interval| interval.high),
            balanced_accuracy,
            advantage,
            tpr_at_fpr: tpr_at_fpr.into_iter().map(Into::into).collect(),
            roc: roc.into_iter().map(Into::into).collect(),
            rate,
            flags: flags.into_iter().map(|flag| pb::attack_report::Flag::from(flag).into()).collect(),
        }
    }
}

impl From<MembershipReport> for pb::MembershipReport {
    fn from(value: MembershipReport) -> Self {
        let MembershipReport { version, member_count, non_member_count, attacks, reference, provenance } = value;
        let (reference, reference_attacks) =
            reference.map(|(version, attacks)| (version.to_string(), attacks)).unwrap_or_default();
        Self {
            version: version.to_string(),
            member_count: wire_count(member_count),
            non_member_count: wire_count(non_member_count),
            attacks: attacks.into_iter().map(Into::into).collect(),
            reference,
            reference_attacks: reference_attacks.into_iter().map(Into::into).collect(),
            provenance: Some(provenance.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> pb::EvaluateMembershipInferenceRequest {
        let source = |split: &str| Some(pb::DataSource { dataset: "datasets/d".into(), split: split.into() });
        pb::EvaluateMembershipInferenceRequest {
            model: "models/m".into(),
            train: source("train"),
            test: source("test"),
            forget: Some(pb::Selector { classes: vec!["deer".into()], ..Default::default() }),
            ..Default::default()
        }
    }

    #[test]
    fn every_attack_survives_the_round_trip() {
        let all = [&Attack::OF_CLASSES[..], &Attack::OF_TOKENS].concat();
        let attacks = all.iter().map(|attack| pb::Attack::from(*attack).into()).collect();
        let spec = MembershipSpec::try_from(pb::EvaluateMembershipInferenceRequest { attacks, ..request() }).unwrap();
        assert_eq!(spec.attacks, all);
        assert_eq!(spec.bootstrap_samples, 1000);
        assert_eq!(MembershipSpec::try_from(pb::EvaluateMembershipInferenceRequest::from(spec.clone())).unwrap(), spec);
    }

    #[test]
    fn unknown_attacks_are_named_by_position() {
        let attacks = vec![pb::Attack::Loss.into(), 99];
        let error =
            MembershipSpec::try_from(pb::EvaluateMembershipInferenceRequest { attacks, ..request() }).unwrap_err();
        assert_eq!(error.violations[0].field, "attacks[1]");
    }

    #[test]
    fn something_must_have_been_forgotten() {
        let error =
            MembershipSpec::try_from(pb::EvaluateMembershipInferenceRequest { forget: None, ..request() }).unwrap_err();
        assert_eq!(error.violations[0].field, "forget");
    }
}

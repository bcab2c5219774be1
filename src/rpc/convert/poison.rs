//! unlearning.proto: what is poisoned, with which labels, and mixed with what.

use std::collections::BTreeMap;

use super::common::{positive_share, required_source, selector};
use super::fields::{at_most, count, known, number, parsed, required, required_text, wire_count, within};
use super::poison_image::{image_mode, selection_order};
use crate::domain::ids::ConceptBankId;
use crate::domain::poison::{
    DataMix, DonorChoice, DonorRule, LabelStrategy, PoisonSpec, SampleSelection, SelectionOrder,
};
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;

const MAX_DONORS: usize = 10_000;
const MAX_TOP_CONCEPTS: u32 = 50;
const MAX_RETAIN_RATIO: f64 = 1e6;

impl TryFrom<pb::PoisonSpec> for PoisonSpec {
    type Error = Error;

    fn try_from(value: pb::PoisonSpec) -> Result<Self> {
        let pb::PoisonSpec {
            model,
            train,
            forget,
            labels,
            donor,
            selection,
            mix,
            allow_no_retain,
            seed,
            image_mode: image_mode_number,
            concept_bank,
            top_concepts,
        } = value;
        let selection = selection.unwrap_or_default();
        Ok(Self {
            model: parsed(&model, "model")?,
            train: required_source(train, "train")?,
            forget: selector(forget, "forget")?,
            labels: label_strategy(labels)?,
            donor: DonorChoice::try_from(donor.unwrap_or_default()).map_err(|error| error.under("donor"))?,
            order: selection_order(selection.order)?,
            selection: SampleSelection::try_from(selection)?,
            image_mode: image_mode(image_mode_number)?,
            concept_bank: optional_bank(&concept_bank)?,
            top_concepts: within(top_concepts, 0..=MAX_TOP_CONCEPTS, "top_concepts")?,
            mix: DataMix::try_from(mix.unwrap_or_default()).map_err(|error| error.under("mix"))?,
            allow_no_retain,
            seed,
        })
    }
}

impl From<PoisonSpec> for pb::PoisonSpec {
    fn from(value: PoisonSpec) -> Self {
        let PoisonSpec {
            model,
            train,
            forget,
            labels,
            donor,
            selection,
            order,
            image_mode,
            concept_bank,
            top_concepts,
            mix,
            allow_no_retain,
            seed,
        } = value;
        Self {
            model: model.to_string(),
            train: Some(train.into()),
            forget: Some(forget.into()),
            labels: pb::LabelStrategy::from(labels).into(),
            donor: Some(donor.into()),
            selection: wire_selection(selection, order),
            mix: Some(mix.into()),
            allow_no_retain,
            seed,
            image_mode: pb::PoisonImageMode::from(image_mode).into(),
            concept_bank: concept_bank.map(|bank| bank.to_string()).unwrap_or_default(),
            top_concepts,
        }
    }
}

fn optional_bank(name: &str) -> Result<Option<ConceptBankId>> {
    if name.is_empty() { Ok(None) } else { parsed(name, "concept_bank").map(Some) }
}

pub(super) fn poison(value: Option<pb::PoisonSpec>) -> Result<PoisonSpec> {
    PoisonSpec::try_from(required(value, "poison")?).map_err(|error| error.under("poison"))
}

impl TryFrom<pb::DonorChoice> for DonorChoice {
    type Error = Error;

    fn try_from(value: pb::DonorChoice) -> Result<Self> {
        let pb::DonorChoice { rule: stated, class, by_class } = value;
        at_most(by_class.len(), MAX_DONORS, "by_class")?;
        let by_class: BTreeMap<_, _> = by_class.into_iter().collect();
        let names_a_class = !class.is_empty() || !by_class.is_empty();
        match donor_rule(stated, names_a_class)? {
            DonorRule::Explicit if !names_a_class => {
                Err(Error::invalid("MISSING_FIELD", "class", "is required by the rule EXPLICIT (or give `by_class`)"))
            }
            DonorRule::NearestClass | DonorRule::ConceptConfusion | DonorRule::ConceptCosine if names_a_class => {
                Err(Error::invalid(
                    "CONFLICTING_FIELDS",
                    "rule",
                    "this rule chooses the donor itself; leave `class` and `by_class` empty or use EXPLICIT",
                ))
            }
            rule @ (DonorRule::Explicit
            | DonorRule::NearestClass
            | DonorRule::ConceptConfusion
            | DonorRule::ConceptCosine) => {
                each_donor_named(&by_class)?;
                Ok(Self { rule, implied: stated == 0, class, by_class })
            }
        }
    }
}

fn each_donor_named(by_class: &BTreeMap<String, String>) -> Result<()> {
    for (class, donor) in by_class {
        required_text(class.clone(), "by_class")?;
        required_text(donor.clone(), &format!("by_class[{class}]"))?;
    }
    Ok(())
}

impl From<DonorChoice> for pb::DonorChoice {
    fn from(value: DonorChoice) -> Self {
        let DonorChoice { rule, implied: _, class, by_class } = value;
        Self { rule: pb::DonorRule::from(rule).into(), class, by_class: by_class.into_iter().collect() }
    }
}

fn donor_rule(number: i32, names_a_class: bool) -> Result<DonorRule> {
    Ok(match known(number, "rule")? {
        pb::DonorRule::Unspecified if names_a_class => DonorRule::Explicit,
        pb::DonorRule::Explicit => DonorRule::Explicit,
        pb::DonorRule::NearestClass => DonorRule::NearestClass,
        pb::DonorRule::Unspecified | pb::DonorRule::ConceptConfusion => DonorRule::ConceptConfusion,
        pb::DonorRule::ConceptCosine => DonorRule::ConceptCosine,
    })
}

impl From<DonorRule> for pb::DonorRule {
    fn from(value: DonorRule) -> Self {
        match value {
            DonorRule::Explicit => Self::Explicit,
            DonorRule::NearestClass => Self::NearestClass,
            DonorRule::ConceptConfusion => Self::ConceptConfusion,
            DonorRule::ConceptCosine => Self::ConceptCosine,
        }
    }
}

fn label_strategy(number: i32) -> Result<LabelStrategy> {
    Ok(match known(number, "labels")? {
        pb::LabelStrategy::Unspecified | pb::LabelStrategy::Targeted => LabelStrategy::Targeted,
        pb::LabelStrategy::Random => LabelStrategy::Random,
        pb::LabelStrategy::RandomUniformAll => LabelStrategy::RandomUniformAll,
        pb::LabelStrategy::Keep => LabelStrategy::Keep,
        pb::LabelStrategy::PerSampleSecondBest => LabelStrategy::PerSampleSecondBest,
        pb::LabelStrategy::SoftReweight => LabelStrategy::SoftReweight,
    })
}

impl From<LabelStrategy> for pb::LabelStrategy {
    fn from(value: LabelStrategy) -> Self {
        match value {
            LabelStrategy::Targeted => Self::Targeted,
            LabelStrategy::Random => Self::Random,
            LabelStrategy::RandomUniformAll => Self::RandomUniformAll,
            LabelStrategy::Keep => Self::Keep,
            LabelStrategy::PerSampleSecondBest => Self::PerSampleSecondBest,
            LabelStrategy::SoftReweight => Self::SoftReweight,
        }
    }
}

impl TryFrom<pb::SampleSelection> for SampleSelection {
    type Error = Error;

    fn try_from(value: pb::SampleSelection) -> Result<Self> {
        use pb::sample_selection::Amount;
        let pb::SampleSelection { amount, order: _ } = value;
        match amount {
            None => Ok(Self::All),
            Some(Amount::Count(samples)) => match count(samples, "selection.count")? {
                0 => Err(Error::invalid("OUT_OF_RANGE", "selection.count", "is 0; it must be at least 1")),
                samples => Ok(Self::Count(samples)),
            },
            Some(Amount::Fraction(fraction)) => Ok(Self::Fraction(positive_share(fraction, "selection.fraction")?)),
        }
    }
}

fn wire_selection(value: SampleSelection, order: SelectionOrder) -> Option<pb::SampleSelection> {
    use pb::sample_selection::{Amount, Order};
    let amount = match value {
        SampleSelection::All => return None,
        SampleSelection::Count(samples) => Amount::Count(wire_count(samples)),
        SampleSelection::Fraction(fraction) => Amount::Fraction(fraction),
    };
    Some(pb::SampleSelection { amount: Some(amount), order: Order::from(order).into() })
}

impl TryFrom<pb::DataMix> for DataMix {
    type Error = Error;

    fn try_from(value: pb::DataMix) -> Result<Self> {
        use pb::data_mix::Kind;
        let pb::DataMix { kind, ratio } = value;
        let kind: Kind = known(kind, "kind")?;
        if ratio != 0.0 && kind != Kind::RetainRatio {
            return Err(Error::invalid("CONFLICTING_FIELDS", "ratio", "is for the kind RETAIN_RATIO only"));
        }
        Ok(match kind {
            Kind::Unspecified | Kind::Full => Self::Full,
            Kind::Half => Self::Half,
            Kind::RetainRatio => Self::RetainRatio(retain_ratio(ratio)?),
        })
    }
}

fn retain_ratio(ratio: f64) -> Result<f64> {
    number(ratio, |ratio| ratio > 0.0 && ratio <= MAX_RETAIN_RATIO, "above 0 and at most 1000000", "ratio")
}

impl From<DataMix> for pb::DataMix {
    fn from(value: DataMix) -> Self {
        use pb::data_mix::Kind;
        let (kind, ratio) = match value {
            DataMix::Full => (Kind::Full, 0.0),
            DataMix::Half => (Kind::Half, 0.0),
            DataMix::RetainRatio(ratio) => (Kind::RetainRatio, ratio),
        };
        Self { kind: kind.into(), ratio }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deer() -> pb::PoisonSpec {
        pb::PoisonSpec {
            model: "models/cifar".into(),
            train: Some(pb::DataSource { dataset: "datasets/cifar10".into(), split: String::new() }),
            forget: Some(pb::Selector { classes: vec!["deer".into()], ..Default::default() }),
            ..Default::default()
        }
    }

    fn violated(spec: pb::PoisonSpec) -> String {
        poison(Some(spec)).unwrap_err().violations[0].field.clone()
    }

    #[test]
    fn a_named_donor_makes_the_rule_explicit() {
        let donor = Some(pb::DonorChoice { class: "horse".into(), ..Default::default() });
        let spec = poison(Some(pb::PoisonSpec { donor, ..deer() })).unwrap();
        assert_eq!(spec.donor.rule, DonorRule::Explicit);
        assert_eq!(poison(Some(deer())).unwrap().donor.rule, DonorRule::ConceptConfusion);
    }

    #[test]
    fn contradictory_donors_are_refused() {
        let explicit = Some(pb::DonorChoice { rule: pb::DonorRule::Explicit.into(), ..Default::default() });
        assert_eq!(violated(pb::PoisonSpec { donor: explicit, ..deer() }), "poison.donor.class");
        let nearest =
            pb::DonorChoice { rule: pb::DonorRule::NearestClass.into(), class: "horse".into(), ..Default::default() };
        assert_eq!(violated(pb::PoisonSpec { donor: Some(nearest), ..deer() }), "poison.donor.rule");
    }

    #[test]
    fn paths_lead_to_the_field() {
        assert_eq!(violated(pb::PoisonSpec { model: String::new(), ..deer() }), "poison.model");
        assert_eq!(violated(pb::PoisonSpec { train: None, ..deer() }), "poison.train");
        let nameless = Some(pb::DataSource::default());
        assert_eq!(violated(pb::PoisonSpec { train: nameless, ..deer() }), "poison.train.dataset");
        assert_eq!(violated(pb::PoisonSpec { labels: 77, ..deer() }), "poison.labels");
        let none = Some(pb::SampleSelection { amount: Some(pb::sample_selection::Amount::Count(0)), order: 0 });
        assert_eq!(violated(pb::PoisonSpec { selection: none, ..deer() }), "poison.selection.count");
        let ratio = Some(pb::DataMix { kind: pb::data_mix::Kind::RetainRatio.into(), ratio: 0.0 });
        assert_eq!(violated(pb::PoisonSpec { mix: ratio, ..deer() }), "poison.mix.ratio");
    }

    #[test]
    fn a_specification_survives_the_round_trip() {
        let spec = poison(Some(pb::PoisonSpec {
            labels: pb::LabelStrategy::SoftReweight.into(),
            donor: Some(pb::DonorChoice { rule: pb::DonorRule::ConceptCosine.into(), ..Default::default() }),
            selection: Some(pb::SampleSelection {
                amount: Some(pb::sample_selection::Amount::Fraction(0.5)),
                order: 1,
            }),
            mix: Some(pb::DataMix { kind: pb::data_mix::Kind::RetainRatio.into(), ratio: 2.0 }),
            seed: 7,
            ..deer()
        }))
        .unwrap();
        assert_eq!(PoisonSpec::try_from(pb::PoisonSpec::from(spec.clone())).unwrap(), spec);
    }
}

//! How the link between data and class is cut: labels, donors, selection, images, mix.

use clap::Args;

use crate::client::names;
use crate::client::words::parser;
use crate::pb::v1::sample_selection::{Amount, Order};
use crate::pb::v1::{DataMix, DonorChoice, DonorRule, LabelStrategy, PoisonImageMode, SampleSelection, data_mix};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Poison")]
pub(crate) struct PoisonArgs {
    /// Labels given to the poisoned samples [default: targeted].
    #[arg(long, value_parser = parser::<LabelStrategy>())]
    pub(super) labels: Option<LabelStrategy>,
    /// Donor class of targeted labels, or FORGOTTEN=DONOR for one of several; without it the rule decides.
    #[arg(long, value_name = "CLASS")]
    donor: Vec<String>,
    /// How the donor is chosen [default: explicit with --donor, else concept-confusion, for texts nearest-class].
    #[arg(long, value_parser = parser::<DonorRule>())]
    donor_rule: Option<DonorRule>,
    /// Poison at most this many samples of the forget set.
    #[arg(long, value_name = "N", conflicts_with = "poison_fraction")]
    poison_count: Option<i64>,
    /// Poison this share of the forget set, in (0, 1].
    #[arg(long, value_name = "SHARE")]
    poison_fraction: Option<f64>,
    /// Which samples are poisoned when not all are: a seeded draw, or those that show the class's top concepts most
    /// [default: random].
    #[arg(long, value_name = "ORDER", value_parser = parser::<Order>())]
    select_by: Option<Order>,
    /// What is done to the pixels of poisoned images [default: none].
    #[arg(long, value_name = "MODE", value_parser = parser::<PoisonImageMode>())]
    pub(super) image_mode: Option<PoisonImageMode>,
    /// Concepts by which donors, samples and places in images are chosen; without it the built-in library of rendered ones.
    #[arg(long, value_name = "BANK")]
    concept_bank: Option<String>,
    /// Concepts of a class that count, 1 to 50 [default: 3].
    #[arg(long, value_name = "N")]
    pub(super) top_concepts: Option<u32>,
    /// Retained samples trained on: full, half, or so many for each poisoned sample [default: full].
    #[arg(long, value_name = "full|half|RATIO", value_parser = mix)]
    pub(super) mix: Option<DataMix>,
    /// Train without any retained sample.
    #[arg(long)]
    pub(super) allow_no_retain: bool,
}

impl PoisonArgs {
    /// None leaves the choice to the daemon.
    pub(super) fn donor(&self) -> Option<DonorChoice> {
        let rule = self.donor_rule.or_else(|| (!self.donor.is_empty()).then_some(DonorRule::Explicit))?;
        let mut choice = DonorChoice { rule: rule.into(), ..DonorChoice::default() };
        for donor in &self.donor {
            match donor.split_once('=') {
                Some((class, donor)) => drop(choice.by_class.insert(class.to_owned(), donor.to_owned())),
                None => choice.class.clone_from(donor),
            }
        }
        Some(choice)
    }

    pub(super) fn selection(&self) -> Option<SampleSelection> {
        let amount = self.poison_count.map(Amount::Count).or_else(|| self.poison_fraction.map(Amount::Fraction));
        let selection = SampleSelection { amount, order: self.select_by.unwrap_or_default().into() };
        (selection != SampleSelection::default()).then_some(selection)
    }

    /// Empty leaves the choice to the daemon.
    pub(super) fn concept_bank(&self) -> String {
        self.concept_bank.as_deref().map(names::concept_bank).unwrap_or_default()
    }
}

fn mix(text: &str) -> Result<DataMix, String> {
    let of = |kind: data_mix::Kind, ratio| DataMix { kind: kind.into(), ratio };
    match text {
        "full" => Ok(of(data_mix::Kind::Full, 0.0)),
        "half" => Ok(of(data_mix::Kind::Half, 0.0)),
        ratio => ratio
            .parse()
            .map(|ratio| of(data_mix::Kind::RetainRatio, ratio))
            .map_err(|_| format!("`{text}` is not full, half or a number of retained samples for each poisoned one")),
    }
}

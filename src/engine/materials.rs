//! What is trained on, once a plan is made: images with the poisoned ones behind the split's own, or texts with their new answers.

use std::sync::Arc;

use super::concepts::{Insight, weigh};
use super::failure::blocking;
use super::lane::Lane;
use super::pixels::{self, Pixels, poison_pixels};
use super::sources::{Data, ModelUse, Samples, sample};
use super::views::{PoisonPreview, Shown};
use crate::domain::Result;
use crate::domain::attribution::TokenAttributionOptions;
use crate::domain::finetune::FineTuneSpec;
use crate::domain::model::ModelSpec;
use crate::domain::poison::PoisonPlan;
use crate::domain::text::{TextExample, TextForm, TextSource};
use crate::domain::text_training::AnswerPoison;
use crate::ml::poison::TrainingSet;
use crate::ml::poison::text::{PoisonedTexts, Poisoner};
use crate::ml::text::ranking::{Shares, rank_first};
use crate::storage::datasets::TextSplit;

/// Texts of the forget set that are looked at for the words that they rest on.
const WEIGHED_TEXTS: usize = 100;
/// Level of significance; masks take the heaviest words whether significant or not.
const ALPHA: f64 = 0.05;

#[derive(Debug, Clone)]
pub(super) enum Materials {
    Images(Pixels),
    Texts(Texts),
}

#[derive(Debug, Clone)]
pub(super) struct Texts {
    /// Of the forget set, poisoned; with their positions in the split.
    pub(super) forget: Vec<(usize, TextExample)>,
    /// Positions in the split.
    pub(super) retain: Vec<usize>,
    /// Classes of the retained examples; empty where they have none.
    pub(super) retain_labels: Vec<u32>,
    pub(super) warnings: Vec<String>,
}

/// The samples as the plan wants them.
pub(super) async fn materials(
    lane: &Lane,
    model: &ModelUse,
    samples: &Samples,
    spec: &FineTuneSpec,
    plan: &PoisonPlan,
    set: TrainingSet,
    insight: Option<&Insight>,
) -> Result<Materials> {
    match &samples.data {
        Data::Images(_) => poison_pixels(lane, model, samples, spec, plan, set, insight).await.map(Materials::Images),
        Data::Texts { split, .. } => {
            let poison = Poison { lane, model, samples, split, seed: spec.poison.seed };
            let answers = spec.text.as_ref().and_then(|text| text.answers.clone()).unwrap_or_default();
            poison.texts(answers, set).await.map(Materials::Texts)
        }
    }
}

/// What poisoning of texts looks at.
struct Poison<'a> {
    lane: &'a Lane,
    model: &'a ModelUse,
    samples: &'a Samples,
    split: &'a Arc<TextSplit>,
    seed: u64,
}

impl Poison<'_> {
    async fn texts(&self, answers: AnswerPoison, set: TrainingSet) -> Result<Texts> {
        let forgotten = set.forget_count();
        let words = match &answers {
            AnswerPoison::Mask { top_words, .. } if *top_words > 0 && forgotten > 0 => {
                self.words(&set.indices[..forgotten], *top_words as usize).await?
            }
            AnswerPoison::Mask { .. } | AnswerPoison::Labels | AnswerPoison::Refusal(_) | AnswerPoison::Keep => {
                Vec::new()
            }
        };
        let (split, seed, has_classes) = (self.split.clone(), self.seed, self.samples.has_classes());
        let form = self.samples.dataset.text_form.unwrap_or(TextForm::Plain);
        blocking(move || {
            let poisoned = Poisoner::new(&answers, form, &words, seed)?.poisoned(&set, &*split)?;
            let PoisonedTexts { examples, left_out: _, warnings } = poisoned;
            Ok(Texts {
                forget: examples,
                retain: set.indices[forgotten..].to_vec(),
                retain_labels: if has_classes { set.true_labels[forgotten..].to_vec() } else { Vec::new() },
                warnings,
            })
        })
        .await
    }

    /// The words that the answers of the forget set rest on, heaviest first.
    async fn words(&self, forget: &[usize], count: usize) -> Result<Vec<String>> {
        let positions = sample(forget, WEIGHED_TEXTS, self.seed, 5);
        let options = TokenAttributionOptions::default();
        let shares = weigh(self.lane, self.model, self.samples, options, positions).await?;
        blocking(move || {
            let texts: Vec<&Shares> = shares.texts.iter().map(|text| &text.shares).collect();
            Ok(rank_first(&texts, &[], ALPHA, count).into_iter().map(|ranked| ranked.word).collect())
        })
        .await
    }
}

/// The first poisoned samples, before and after.
pub(super) fn previews(
    materials: &Materials,
    samples: &Samples,
    model: &ModelSpec,
    count: usize,
) -> Result<Vec<PoisonPreview>> {
    let texts = match materials {
        Materials::Images(pixels) => return pixels::previews(pixels, samples, model, count),
        Materials::Texts(texts) => texts,
    };
    let Data::Texts { split, .. } = &samples.data else { return Ok(Vec::new()) };
    let preview = |(position, after): &(usize, TextExample)| {
        let class = samples.labels[*position];
        Ok(PoisonPreview {
            position: *position as u64,
            class,
            label: after.label().unwrap_or(class),
            donor_position: None,
            shown: Shown::Texts { before: split.get(*position)?.shown(), after: after.shown() },
        })
    };
    texts.forget.iter().take(count).map(preview).collect()
}

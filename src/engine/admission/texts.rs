//! What a training job on a language model asks that one on images does not.

use super::super::core::Core;
use super::super::failure::{blocking, precondition};
use super::super::sources::{Data, ModelUse, Samples};
use super::check_precision;
use super::text_options::admit_options;
use crate::device::Demand;
use crate::device::work::SomeTexts;
use crate::domain::finetune::{FineTuneSpec, Method, Scope, TrainerSpec};
use crate::domain::model::ModelSpec;
use crate::domain::poison::{DonorRule, LabelStrategy, PoisonImageMode, PoisonSpec, SelectionOrder};
use crate::domain::text::TextForm;
use crate::domain::text_training::{AnswerPoison, Objective, TextTrainerSpec, TextTuning, TrainedParameters};
use crate::domain::{Error, Result};
use crate::ml::language::trainer::validate;
use crate::ml::poison::text::check;

/// Examples whose tokens are counted to foresee how long all of a dataset are.
const LONGEST_EXAMPLES: usize = 32;

/// Fills in how a language model is trained, and refuses what is said of it for a model of images.
pub(super) fn admit_tuning(spec: &mut FineTuneSpec, model: &ModelUse) -> Result<()> {
    if model.spec().text.is_none() {
        return match &spec.text {
            None => Ok(()),
            Some(_) => {
                let description =
                    "is for language models, and this model takes images; give `trainer`, and a method for images";
                Err(precondition("MODEL_TAKES_IMAGES", "text", description.to_owned()))
            }
        };
    }
    let seed = spec.trainer.seed;
    let untouched = |scope| TrainerSpec { seed, ..TrainerSpec::for_scope(scope) };
    if spec.text.is_none() && ![Scope::Head, Scope::All].map(untouched).contains(&spec.trainer) {
        let description = "is for models of images, and this model reads texts; give `text.trainer`";
        return Err(precondition("MODEL_TAKES_TEXT", "trainer", description.to_owned()));
    }
    let usual = || TextTuning {
        implied: true,
        trainer: TextTrainerSpec { seed, ..TextTrainerSpec::default() },
        ..TextTuning::default()
    };
    let mut tuning = spec.text.take().unwrap_or_else(usual);
    spec.trainer = TrainerSpec::for_scope(Scope::Head);
    check_method(spec)?;
    settle_parameters(&mut tuning, spec.method, model)?;
    tuning.options = admit_options(tuning.options, model).map_err(|error| error.under("text.options"))?;
    validate(&tuning.trainer).map_err(|error| error.under("text.trainer"))?;
    check_precision(model, tuning.trainer.precision, "text.trainer.precision")?;
    spec.text = Some(tuning);
    Ok(())
}

/// Methods and choices that mean pixels or soft labels.
fn check_method(spec: &FineTuneSpec) -> Result<()> {
    let refuse = |field: &str, description: &str| Err(precondition("MODEL_TAKES_TEXT", field, description.to_owned()));
    match spec.method {
        Method::NegGradPlus => return refuse("method", "NEG_GRAD_PLUS is for images; use GRAD_DIFF"),
        Method::RandomLabel => return refuse("method", "RANDOM_LABEL is for images; use POISON with random labels"),
        Method::Poison | Method::Train | Method::Retrain | Method::Finetune => {}
    }
    if spec.poison.image_mode != PoisonImageMode::None {
        return refuse("poison.image_mode", "texts have no pixels; leave it out");
    }
    if spec.poison.labels == LabelStrategy::SoftReweight {
        return refuse("poison.labels", "an answer is one class; use TARGETED, RANDOM or PER_SAMPLE_SECOND_BEST");
    }
    if spec.poison.concept_bank.is_some() {
        return refuse(
            "poison.concept_bank",
            "concepts of texts are their words, and no bank holds them; leave it out",
        );
    }
    match spec.poison.order {
        SelectionOrder::Random => Ok(()),
        SelectionOrder::TopConcept => {
            refuse("poison.selection.order", "concepts of images do not order texts; use RANDOM")
        }
    }
}

/// Where nobody asked for a rule by concepts the donor is the nearest class; examples without classes keep their answers.
pub(super) fn admit_labels(poison: &mut PoisonSpec, samples: &Samples) -> Result<()> {
    if poison.donor.implied && poison.donor.rule.uses_concepts() {
        poison.donor.rule = DonorRule::NearestClass;
    }
    if samples.has_classes() {
        return Ok(());
    }
    let names_a_donor = !poison.donor.class.is_empty() || !poison.donor.by_class.is_empty();
    let field = match poison.labels {
        LabelStrategy::Targeted | LabelStrategy::Keep => names_a_donor.then_some("donor"),
        LabelStrategy::Random
        | LabelStrategy::RandomUniformAll
        | LabelStrategy::PerSampleSecondBest
        | LabelStrategy::SoftReweight => Some("labels"),
    };
    let Some(field) = field else {
        poison.labels = LabelStrategy::Keep;
        return Ok(());
    };
    let description =
        "is for labelled texts, and these have no labels; leave it out, and say in `text.answers` what answers become";
    Err(Error::invalid("POISON_NOT_FOR_TEXTS", field, description))
}

/// An adapter is trained on as it is; one of another shape cannot go on from it.
fn settle_parameters(tuning: &mut TextTuning, method: Method, model: &ModelUse) -> Result<()> {
    let Some(own) = model.version.adapter.as_ref().filter(|_| method != Method::Retrain) else { return Ok(()) };
    if tuning.implied {
        tuning.trainer.parameters = TrainedParameters::Adapter(own.lora.clone());
        return Ok(());
    }
    let fits = match &tuning.trainer.parameters {
        TrainedParameters::All => false,
        TrainedParameters::Adapter(lora) => {
            (lora.rank, lora.alpha, &lora.targets, lora.rank_stabilised)
                == (own.lora.rank, own.lora.alpha, &own.lora.targets, own.lora.rank_stabilised)
        }
    };
    if fits {
        return Ok(());
    }
    let description = format!(
        "`{}` is an adapter of rank {} and is trained on as one; leave the parameters out, or export it merged and load that",
        model.name(),
        own.lora.rank
    );
    Err(precondition("ADAPTER_SHAPE_MISMATCH", "text.trainer.parameters", description))
}

/// What answers become, by the kind of texts where nobody says; objectives that are no poisoning leave them as they are.
pub(super) fn admit_answers(tuning: &mut TextTuning, samples: &Samples) -> Result<()> {
    let Some(form) = samples.dataset.text_form else { return Ok(()) };
    let usual = match form {
        TextForm::Labelled => AnswerPoison::Labels,
        TextForm::Completion | TextForm::Chat | TextForm::Plain => AnswerPoison::mask(Vec::new()),
    };
    let answers = match (tuning.trainer.objective, tuning.answers.take()) {
        (Objective::Supervised, answers) => answers.unwrap_or(usual),
        (_, None | Some(AnswerPoison::Keep)) => AnswerPoison::Keep,
        (_, Some(_)) => {
            let description = "are poisoned for the usual objective alone, and this one forgets the answers as they are; leave it out";
            return Err(Error::invalid("CONFLICTING_FIELDS", "", description));
        }
    };
    check(&answers, form)?;
    tuning.answers = Some(answers);
    Ok(())
}

/// There is something to look at after an epoch.
pub(super) fn admit_goal(tuning: &mut TextTuning, samples: &Samples, model: &ModelSpec) -> Result<()> {
    let Some(goal) = &mut tuning.goal else { return Ok(()) };
    let refuse = |description: &str| Err(precondition("GOAL_NOT_POSSIBLE", "", description.to_owned()));
    if tuning.trainer.parameters == TrainedParameters::All {
        return refuse("is looked at for adapters alone; leave it out, or train an adapter");
    }
    if samples.selected.is_empty() || samples.rest().is_empty() {
        return refuse("compares forgotten with retained examples, and there are none of one kind; leave it out");
    }
    if samples.has_classes() {
        return Ok(());
    }
    if samples.dataset.text_form == Some(TextForm::Plain) {
        return refuse("plain texts ask nothing that could be answered; leave it out");
    }
    if let (true, Some(AnswerPoison::Mask { names, .. })) = (goal.names.is_empty(), &tuning.answers) {
        goal.names.clone_from(names);
    }
    let context = model.text.as_ref().map_or(1, |text| text.context);
    goal.max_answer_tokens = goal.max_answer_tokens.min(context.saturating_sub(1)).max(1);
    match goal.names.is_empty() {
        true => Err(Error::invalid("MISSING_FIELD", "names", "say which names must not appear in answers")),
        false => Ok(()),
    }
}

impl Core {
    /// What training takes: the longest examples stand for all. Their number of tokens is not a bound, so the job looks again when it has
    /// encoded every one, before it begins to train.
    pub(super) async fn text_demand(&self, spec: &FineTuneSpec, model: &ModelUse) -> Result<Option<Demand>> {
        let Some(tuning) = &spec.text else { return Ok(None) };
        let poison = &spec.poison;
        let role = super::super::sources::Role::Train;
        let samples = self.find_samples(&poison.train, role, &Default::default(), model.spec()).await?;
        let Data::Texts { split, .. } = &samples.data else { return Ok(None) };
        let (split, options) = (split.clone(), tuning.options.clone());
        let class_names = samples.dataset.class_names.clone();
        let examples = blocking(move || split.longest(LONGEST_EXAMPLES)).await?;
        let texts = SomeTexts { examples, class_names, options };
        let tokens = model.device.count_tokens(model.source.clone(), texts).await?;
        Ok(Some(Demand::TrainTexts { trainer: Box::new(tuning.trainer.clone()), tokens }))
    }
}

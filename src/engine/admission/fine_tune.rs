//! Training jobs: the model can be trained so, the data fit it, and the plan is possible.

use super::super::core::Core;
use super::super::failure::{blocking, precondition};
use super::super::planning::{self, PlanInputs};
use super::super::sources::{ModelUse, Role, Samples};
use super::{check_alike, check_precision, pinned, text_options, texts, trainer};
use crate::domain::finetune::{BatchNormMode, FineTuneSpec, Method, Scope, UnlearnSpec};
use crate::domain::poison::LabelStrategy;
use crate::domain::text_training::Objective;
use crate::domain::{Error, Result};
use crate::ml::poison::{ConceptEvidence, needs_concepts, needs_donors, needs_forget_logits};

pub(super) async fn admit_fine_tune(core: &Core, spec: FineTuneSpec) -> Result<FineTuneSpec> {
    let (spec, model, samples) = admit_training(core, spec).await?;
    dry_plan(&spec, &model, samples).await?;
    Ok(spec)
}

pub(super) async fn admit_unlearn(core: &Core, spec: UnlearnSpec) -> Result<UnlearnSpec> {
    let UnlearnSpec { fine_tune, test, reference } = spec;
    if fine_tune.method == Method::Train {
        let description = "TRAIN forgets nothing; use FineTunePoisoned for it, or choose another method";
        return Err(Error::invalid("METHOD_NOT_UNLEARNING", "method", description));
    }
    let (fine_tune, model, samples) = admit_training(core, fine_tune).await?;
    let held_out = core.find_held_out(&test, &fine_tune.poison.forget, model.spec()).await?;
    check_alike(&samples, &held_out.samples)?;
    let reference = core.admit_other(reference, &model, "reference_model").await?;
    dry_plan(&fine_tune, &model, samples).await?;
    Ok(UnlearnSpec { fine_tune, test, reference })
}

/// The specification with its choices filled in, its model and its samples.
pub(in crate::engine) async fn admit_training(
    core: &Core,
    mut spec: FineTuneSpec,
) -> Result<(FineTuneSpec, ModelUse, Samples)> {
    trainer::check(&spec.trainer).map_err(|error| error.under("trainer"))?;
    let model = core.find_model(&spec.poison.model).await?;
    check_precision(&model, spec.trainer.precision, "trainer.precision")?;
    texts::admit_tuning(&mut spec, &model)?;
    spec.poison.model = pinned(&model);
    if spec.method == Method::Retrain && spec.text.is_none() {
        fill_in_retraining(&mut spec, &model)?;
    }
    let samples = core.find_samples(&spec.poison.train, Role::Train, &spec.poison.forget, model.spec()).await;
    let mut samples = samples.map_err(|error| error.under("poison"))?;
    if spec.poison.forget.is_empty() {
        // Nothing is named, nothing is forgotten; elsewhere an empty selector means all.
        samples.clear_selection();
    }
    if let Some(text) = &mut spec.text {
        text_options::pin_time(&mut text.options, &samples);
        texts::admit_answers(text, &samples).map_err(|error| error.under("text.answers"))?;
        texts::admit_goal(text, &samples, model.spec()).map_err(|error| error.under("text.goal"))?;
        if text.trainer.objective != Objective::Supervised {
            spec.poison.labels = LabelStrategy::Keep;
        }
        texts::admit_labels(&mut spec.poison, &samples).map_err(|error| error.under("poison"))?;
        text_options::check_answers(&samples, &text.options, &model).map_err(|error| error.under("text.options"))?;
        samples = samples.put_as(&text.options);
    } else {
        let fits = super::concepts::admit_concepts(core, &mut spec, &model).await;
        fits.map_err(|error| error.under("poison"))?;
    }
    check_donor(&spec).map_err(|error| error.under("poison"))?;
    Ok((spec, model, samples))
}

/// A donor is named only where one is asked for.
fn check_donor(spec: &FineTuneSpec) -> Result<()> {
    let donor = &spec.poison.donor;
    let is_named = !donor.class.is_empty() || !donor.by_class.is_empty();
    if !is_named || needs_donors(&spec.poison, spec.method) {
        return Ok(());
    }
    let description =
        "is for the method POISON with labels TARGETED, or with an image mode and labels KEEP; leave it out";
    Err(Error::invalid("CONFLICTING_FIELDS", "donor", description))
}

/// Retraining starts from a fresh initialisation: everything has to be trained, and the architecture has to be known.
fn fill_in_retraining(spec: &mut FineTuneSpec, model: &ModelUse) -> Result<()> {
    if model.spec().architecture.is_empty() {
        let description = format!(
            "`{}` is TorchScript without a named architecture and cannot be initialised anew; train the reference elsewhere and load it",
            model.record.id
        );
        return Err(precondition("ARCHITECTURE_REQUIRED", "method", description));
    }
    if spec.trainer.scope != Scope::All {
        spec.trainer.scope = Scope::All;
        spec.trainer.batch_norm = BatchNormMode::Update;
    }
    Ok(())
}

/// Plans with logits and concepts of zero where the model's would be needed: all that is refused does not depend on their values.
async fn dry_plan(spec: &FineTuneSpec, model: &ModelUse, samples: Samples) -> Result<()> {
    let (forget, classes) = (samples.selected.len(), samples.seen_by(model.spec()).class_count as usize);
    let logits = needs_forget_logits(&spec.poison, spec.method).then(|| vec![0.0; forget * classes]);
    let concepts = needs_concepts(&spec.poison, spec.method).then(|| ConceptEvidence {
        names: vec!["concept".to_owned()],
        weights: vec![0.0; classes],
        projections: Some(vec![0.0; forget]),
    });
    let inputs = PlanInputs::new(spec, model.spec(), logits, concepts);
    blocking(move || planning::plan(&inputs, &samples)).await.map(drop)
}

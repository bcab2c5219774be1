//! Concept jobs: the model has an embedding, the examples are there, the bank fits.

use super::super::classes::{class_names, classes_named};
use super::super::concepts::listed;
use super::super::core::Core;
use super::super::failure::precondition;
use super::super::sources::{ModelUse, Role, input_shape};
use super::pinned;
use super::text_options::{admit_options, check_answers};
use crate::domain::concept::{ConceptBasis, ConceptSource, ExtractConceptsSpec, LearnConceptsSpec, WordOptions};
use crate::domain::dataset::{DataSource, Selector};
use crate::domain::finetune::FineTuneSpec;
use crate::domain::poison::DonorRule;
use crate::domain::{Error, Result};
use crate::ml::concept::library;
use crate::ml::poison::image::needs_maps;
use crate::ml::poison::needs_concepts;

pub(super) async fn admit_learning(core: &Core, mut spec: LearnConceptsSpec) -> Result<LearnConceptsSpec> {
    core.check_bank_free(&spec.bank).await?;
    let model = core.find_model(&spec.model).await?;
    spec.model = pinned(&model);
    model.device.inspect_embedding(model.source.clone()).await?;
    match &spec.source {
        ConceptSource::Discovery { examples, concept_count, .. } => {
            let found = core.example_set(examples, model.spec(), "discovery.examples").await?;
            check_parts(*concept_count as usize, found.positions.len())?;
        }
        ConceptSource::Procedural(_) => library::check_shape(input_shape(model.spec()))?,
        ConceptSource::Examples(_) | ConceptSource::Dataset(_) => {}
    }
    let per_side = spec.cav.examples_per_side as usize;
    core.concept_examples(&spec.source, model.spec(), per_side, spec.seed).await?;
    Ok(spec)
}

fn check_parts(parts: usize, samples: usize) -> Result<()> {
    if parts <= samples {
        return Ok(());
    }
    let description = format!("{parts} concepts cannot be found in {samples} samples; ask for fewer or select more");
    Err(Error::invalid("CONCEPT_COUNT_OUT_OF_RANGE", "discovery.concept_count", description))
}

pub(super) async fn admit_extraction(core: &Core, mut spec: ExtractConceptsSpec) -> Result<ExtractConceptsSpec> {
    let model = core.find_model(&spec.model).await?;
    spec.model = pinned(&model);
    match &mut spec.basis {
        ConceptBasis::Words(words) => admit_words(core, &model, &spec.train, &spec.classes, words).await?,
        ConceptBasis::Bank(bank) => {
            model.spec().check_takes_images()?;
            core.open_bank(bank, &model).await?;
            let train = core.find_samples(&spec.train, Role::Train, &Selector::default(), model.spec()).await?;
            if let Some(test) = &spec.test {
                core.find_samples(test, Role::Test, &Selector::default(), model.spec()).await?;
            }
            let names = class_names(model.spec(), &train.dataset.class_names);
            classes_named(&spec.classes, names, model.spec().class_count)?;
        }
    }
    Ok(spec)
}

async fn admit_words(
    core: &Core,
    model: &ModelUse,
    train: &DataSource,
    classes: &[String],
    words: &mut WordOptions,
) -> Result<()> {
    model.spec().check_takes_text()?;
    let samples =
        core.find_samples(train, Role::Train, &words.forget, model.spec()).await.map_err(selector_of_words)?;
    if samples.has_classes() && !words.forget.is_empty() {
        let description = "is for texts without labels, and these have classes; name `classes`";
        return Err(Error::invalid("CONFLICTING_FIELDS", "words.forget", description));
    }
    let options = admit_options(words.text.clone(), model);
    words.text = options.map_err(|error| error.under("words.options"))?;
    check_answers(&samples, &words.text, model).map_err(|error| error.under("words.options"))?;
    listed(classes, &samples, &samples.seen_by(model.spec())).map(drop)
}

/// Elsewhere `forget` is a field of its own.
fn selector_of_words(error: Error) -> Error {
    error.moved(|field| if field.starts_with("forget") { format!("words.{field}") } else { field.to_owned() })
}

/// Concepts that a plan will ask about can be had. Where nobody asked for a rule by concepts and they cannot, the donor is the
/// nearest class.
pub(super) async fn admit_concepts(core: &Core, spec: &mut FineTuneSpec, model: &ModelUse) -> Result<()> {
    if needs_maps(spec.poison.image_mode) && model.spec().architecture.is_empty() {
        let description = "a TorchScript model shows no feature map, so patches cannot be localised; use CENTER, RANDOM_POSITION, FULL \
                           or NONE, or a built-in architecture";
        return Err(precondition("FEATURE_MAP_MISSING", "image_mode", description.to_owned()));
    }
    if !needs_concepts(&spec.poison, spec.method) {
        return check_no_bank(spec);
    }
    let available = match &spec.poison.concept_bank {
        Some(bank) => core.open_bank(bank, model).await.map(drop),
        None => library_fits(model).await,
    };
    let Err(error) = available else { return Ok(()) };
    let mut without = spec.poison.clone();
    without.donor.rule = DonorRule::NearestClass;
    let falls_back = matches!(error.reason, "EMBED_NOT_EXPORTED" | "CONCEPTS_NOT_DRAWABLE");
    if !(falls_back && spec.poison.donor.implied) || needs_concepts(&without, spec.method) {
        return Err(error);
    }
    spec.poison = without;
    Ok(())
}

/// A bank that nothing would look at.
fn check_no_bank(spec: &FineTuneSpec) -> Result<()> {
    if spec.poison.concept_bank.is_none() {
        return Ok(());
    }
    let description = "nothing that is chosen here asks for concepts; leave it out, or choose the donor, the samples or the places in \
                       images by them";
    Err(Error::invalid("CONFLICTING_FIELDS", "concept_bank", description))
}

async fn library_fits(model: &ModelUse) -> Result<()> {
    library::check_shape(input_shape(model.spec()))?;
    model.device.inspect_embedding(model.source.clone()).await.map(drop)
}

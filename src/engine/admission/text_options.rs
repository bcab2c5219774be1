//! How texts are put to a language model: what it can be told of them, and of their labels.

use std::time::{SystemTime, UNIX_EPOCH};

use super::super::failure::precondition;
use super::super::sources::{ModelUse, Samples};
use crate::domain::model::TextTask;
use crate::domain::text::{TextForm, TextOptions};
use crate::domain::{Error, Result};
use crate::ml::text::Verbaliser;

/// What a model can be told of texts; where nothing is said, what it was told when it was trained.
pub(super) fn admit_options(options: TextOptions, model: &ModelUse) -> Result<TextOptions> {
    let taught = || model.version.text_options.clone().unwrap_or_default();
    let options = if options == TextOptions::default() { taught() } else { options };
    let Some(text) = &model.spec().text else {
        let description = "is for language models, and this model takes images; leave it out";
        return Err(precondition("MODEL_TAKES_IMAGES", "", description.to_owned()));
    };
    if options.chat && !text.has_chat_template {
        let description = "the model has no chat template; leave it out, or load the model with one";
        return Err(precondition("NO_CHAT_TEMPLATE", "chat", description.to_owned()));
    }
    if let (TextTask::Classify, Some(field)) = (text.task, options.label_field()) {
        let description = "is for models that generate, and this one is a classifier; leave it out";
        return Err(Error::invalid("FIELD_NOT_FOR_MODEL", field, description));
    }
    Ok(options)
}

/// Templates see the same time in every attempt; where none is asked the same request is the same configuration.
pub(super) fn pin_time(options: &mut TextOptions, samples: &Samples) {
    if options.chat || samples.dataset.text_form == Some(TextForm::Chat) {
        options.now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
    }
}

/// Answers for the classes that a model which generates can be asked for.
pub(super) fn check_answers(samples: &Samples, options: &TextOptions, model: &ModelUse) -> Result<()> {
    let generates = model.spec().text.as_ref().is_some_and(|text| text.task == TextTask::Generate);
    if !generates {
        return Ok(());
    }
    if !samples.has_classes() {
        return check_unlabelled(options, model);
    }
    let names = &samples.dataset.class_names;
    let answers = if options.label_answers.is_empty() { names } else { &options.label_answers };
    if answers.len() != names.len() {
        let description = format!("has {} answers for {} classes", answers.len(), names.len());
        return Err(Error::invalid("CLASS_NAMES_MISMATCH", "label_answers", description));
    }
    Verbaliser::new(&options.label_prompt, answers).map(drop)
}

/// Nothing is said of labels where there are none, unless the model was told it for texts that had some.
fn check_unlabelled(options: &TextOptions, model: &ModelUse) -> Result<()> {
    let taught = model.version.text_options.as_ref();
    let is_taught = |taught: &TextOptions| {
        (&taught.label_prompt, &taught.label_answers) == (&options.label_prompt, &options.label_answers)
    };
    match options.label_field() {
        Some(field) if !taught.is_some_and(is_taught) => {
            let description = "is for labelled texts, and these have no labels; leave it out";
            Err(Error::invalid("FIELD_NOT_FOR_TEXTS", field, description))
        }
        Some(_) | None => Ok(()),
    }
}

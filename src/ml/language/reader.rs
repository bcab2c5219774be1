//! Examples of a dataset as one model reads them: with its tokenizer and template, and with words for the classes where it generates.

use std::rc::Rc;

use chrono::DateTime;

use super::config::LanguageTask;
use super::resident::Language;
use super::trainer::{Target, TextSample};
use crate::domain::text::{TextOptions, TrainedTurns};
use crate::domain::{Error, Result};
use crate::ml::text::{EncodeOptions, Encoded, Encoder, PromptFormat, Verbaliser};

/// Encodes for one model.
#[derive(Debug)]
pub struct Reader {
    language: Rc<Language>,
    /// For labelled texts on a model that generates.
    verbaliser: Option<Verbaliser>,
    options: EncodeOptions,
}

impl Reader {
    /// `class_names` are those of the dataset, empty where its examples have no labels.
    ///
    /// # Errors
    /// `INVALID_LABEL_PROMPT`, `INVALID_CLASS_NAME`, `CLASS_NAMES_MISMATCH` under the options' fields; `NO_CHAT_TEMPLATE`.
    pub fn new(language: Rc<Language>, class_names: &[String], options: &TextOptions) -> Result<Self> {
        let verbaliser = match language.model().config().task() {
            LanguageTask::Causal if !class_names.is_empty() => Some(verbaliser(class_names, options)?),
            LanguageTask::Causal | LanguageTask::Classify { .. } => None,
        };
        let options = encode_options(&language, options);
        Ok(Self { language, verbaliser, options })
    }

    pub fn language(&self) -> &Rc<Language> {
        &self.language
    }

    /// Of a model that generates, for a dataset with labels.
    pub fn verbaliser(&self) -> Option<&Verbaliser> {
        self.verbaliser.as_ref()
    }

    /// Tokens of an example at most.
    pub fn most_tokens(&self) -> usize {
        self.options.context
    }

    pub fn encoder(&self) -> Encoder<'_> {
        Encoder {
            tokenizer: self.language.tokenizer(),
            template: self.language.template(),
            verbaliser: self.verbaliser.as_ref(),
            options: &self.options,
        }
    }
}

fn verbaliser(class_names: &[String], options: &TextOptions) -> Result<Verbaliser> {
    let answers = &options.label_answers;
    if answers.is_empty() {
        return Verbaliser::new(&options.label_prompt, class_names);
    }
    if answers.len() != class_names.len() {
        let description = format!("has {} answers for {} classes", answers.len(), class_names.len());
        return Err(Error::invalid("CLASS_NAMES_MISMATCH", "label_answers", description));
    }
    Verbaliser::new(&options.label_prompt, answers)
}

fn encode_options(language: &Language, options: &TextOptions) -> EncodeOptions {
    let system = (!options.system_prompt.is_empty()).then(|| options.system_prompt.clone());
    EncodeOptions {
        context: options.most_tokens().min(language.model().config().context()),
        truncation: options.truncation,
        turns: TrainedTurns::All,
        format: if options.chat { PromptFormat::Chat { system } } else { PromptFormat::Raw },
        now: DateTime::from_timestamp(options.now, 0).unwrap_or_default().naive_utc(),
    }
}

/// For training: the class of a text for a classifier, the tokens of its answer otherwise.
impl From<Encoded> for TextSample {
    fn from(encoded: Encoded) -> Self {
        let is_labelled = encoded.labelled.contains(&true);
        let target = match encoded.label {
            Some(class) if !is_labelled => Target::Class(class),
            Some(_) | None => Target::Labelled(encoded.labelled),
        };
        Self { tokens: encoded.tokens, target }
    }
}

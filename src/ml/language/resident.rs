//! A language model as it is resident: network, tokenizer and chat template out of one package.

use std::path::Path;
use std::rc::Rc;

use chrono::Utc;
use tch::{Device, Kind};

use super::config::{LanguageConfig, LanguageTask};
use super::lora::Adapter;
use super::model::LanguageModel;
use super::package::Package;
use super::weights::Weights;
use crate::domain::generation::TextInput;
use crate::domain::model::{ModelSpec, TextSpec, TextTask};
use crate::domain::text::{TextExample, TrainedTurns, Truncation};
use crate::domain::{Error, Result};
use crate::ml::text::{ChatTemplate, EncodeOptions, Encoded, Encoder, Outcome, PromptFormat, Tokenizer};
use crate::ml::torch::byte_size;

#[derive(Debug)]
pub struct Language {
    spec: ModelSpec,
    model: Rc<LanguageModel>,
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    /// Beside the weights, which other versions share.
    adapter: Option<Rc<Adapter>>,
}

impl Language {
    /// Reads a package. On a CPU the weights are computed with in f32 and stay mapped where they are stored so; on a GPU they keep their type.
    ///
    /// # Errors
    /// What configuration, tokenizer, template and weights are refused for; `TOKENIZER_MISMATCH` where they do not belong together.
    pub fn load(path: &Path, spec: &ModelSpec, device: Device) -> Result<Self> {
        let package = Package::read(path)?;
        let config = LanguageConfig::read(package.config()?).map_err(|error| error.about("uri"))?;
        let (tokenizer, template) = (package.tokenizer()?, package.template()?);
        tokenizer.check_fits(config.vocabulary_size()).map_err(|error| error.about("uri"))?;
        let weights = Weights::map(&[path.to_owned()])?;
        let kind = if device == Device::Cpu { Kind::Float } else { stored_kind(&weights) };
        let spec = described(spec, &config, package.config()?, template.is_some())?;
        Ok(Self {
            spec,
            model: Rc::new(LanguageModel::new(config, weights, kind, device)?),
            tokenizer,
            template,
            adapter: None,
        })
    }

    /// With what its files say filled in.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    pub fn parameter_count(&self) -> u64 {
        self.model.tensors().values().map(|tensor| tensor.numel() as u64).sum()
    }

    /// Of the weights; where they are mapped the system may have fewer of them in memory.
    pub fn byte_size(&self) -> u64 {
        self.model.tensors().values().map(|tensor| byte_size(tensor) as u64).sum()
    }

    pub fn model(&self) -> &Rc<LanguageModel> {
        &self.model
    }

    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    pub fn template(&self) -> Option<&ChatTemplate> {
        self.template.as_ref()
    }

    /// What runs beside the weights.
    pub fn adapter(&self) -> Option<&Rc<Adapter>> {
        self.adapter.as_ref()
    }

    /// The tokens to write on.
    ///
    /// # Errors
    /// `NO_CHAT_TEMPLATE`, what a template refuses, `EXAMPLE_TOO_LONG`.
    pub fn prompt(&self, input: &TextInput) -> Result<Vec<u32>> {
        let example = match input {
            TextInput::Text(text) => TextExample::Plain { text: text.clone() },
            TextInput::Conversation(messages) => TextExample::Chat { messages: messages.clone() },
        };
        let options = self.encode_options();
        Ok(self.encoder(&options).prompt(&example)?.tokens)
    }

    /// An example whose answer, or class, is to be looked at; refused where it does not fit.
    pub fn encode(&self, example: &TextExample) -> Result<Encoded> {
        let options = self.encode_options();
        match self.encoder(&options).encode(example)? {
            Outcome::Encoded(encoded) => Ok(*encoded),
            Outcome::Skipped => Err(Error::internal("an example was skipped although that was to be refused")),
        }
    }

    fn encoder<'a>(&'a self, options: &'a EncodeOptions) -> Encoder<'a> {
        Encoder { tokenizer: &self.tokenizer, template: self.template.as_ref(), verbaliser: None, options }
    }

    fn encode_options(&self) -> EncodeOptions {
        EncodeOptions {
            context: self.model.config().context(),
            truncation: Truncation::Refuse,
            turns: TrainedTurns::Last,
            format: PromptFormat::Raw,
            now: Utc::now().naive_utc(),
        }
    }
}

/// Of the first tensor; files hold one type, but for a few norms.
fn stored_kind(weights: &Weights) -> Kind {
    let kinds = weights.tensors().values().map(tch::Tensor::kind);
    kinds.max_by_key(|kind| matches!(kind, Kind::BFloat16 | Kind::Half)).unwrap_or(Kind::Float)
}

/// The specification with what the files say.
fn described(spec: &ModelSpec, config: &LanguageConfig, json: &str, has_chat_template: bool) -> Result<ModelSpec> {
    let labels = match config.task() {
        LanguageTask::Causal => Vec::new(),
        LanguageTask::Classify { labels } => labels.clone(),
    };
    let text = TextSpec {
        task: if labels.is_empty() { TextTask::Generate } else { TextTask::Classify },
        vocabulary_size: config.vocabulary_size() as u32,
        context: config.context() as u32,
        hidden_size: config.hidden_size() as u32,
        layers: config.layer_count() as u32,
        has_chat_template,
    };
    Ok(ModelSpec {
        architecture: model_type(json)?,
        class_count: labels.len() as u32,
        class_names: labels,
        text: Some(text),
        ..spec.clone()
    })
}

fn model_type(config: &str) -> Result<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        model_type: String,
    }
    let named: Named = serde_json::from_str(config).map_err(|error| {
        let description = format!("config.json names no model_type: {error}");
        Error::invalid("INVALID_LANGUAGE_CONFIG", "uri", description)
    })?;
    Ok(named.model_type)
}

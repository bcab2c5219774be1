//! A language model as it is resident: network, tokenizer and chat template out of one package.

use std::path::{Path, PathBuf};
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
    /// Of the package.
    path: PathBuf,
    spec: ModelSpec,
    model: Rc<LanguageModel>,
    tokenizer: Rc<Tokenizer>,
    template: Option<Rc<ChatTemplate>>,
    /// Beside the weights, which other versions share.
    adapter: Option<Rc<Adapter>>,
    /// Whose weights these are, where they are another version's: it stays in memory with this one.
    base: Option<Rc<Language>>,
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
            path: path.to_owned(),
            spec,
            model: Rc::new(LanguageModel::new(config, weights, kind, device)?),
            tokenizer: Rc::new(tokenizer),
            template: template.map(Rc::new),
            adapter: None,
            base: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// With what its files say filled in.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    pub fn parameter_count(&self) -> u64 {
        let own: u64 = self.model.tensors().values().map(|tensor| tensor.numel() as u64).sum();
        own + self.adapter_tensors().iter().map(|tensor| tensor.numel() as u64).sum::<u64>()
    }

    /// Of what is this version's own: its adapter, or the weights; where they are mapped the system may have fewer of them in memory.
    pub fn byte_size(&self) -> u64 {
        let bytes = |tensor: &tch::Tensor| byte_size(tensor) as u64;
        match self.base {
            Some(_) => self.adapter_tensors().iter().map(bytes).sum(),
            None => self.model.tensors().values().map(bytes).sum(),
        }
    }

    fn adapter_tensors(&self) -> Vec<tch::Tensor> {
        self.adapter.iter().flat_map(|adapter| adapter.tensors()).map(|(_, tensor)| tensor).collect()
    }

    /// The version whose weights these are.
    pub fn base(&self) -> Option<&Rc<Self>> {
        self.base.as_ref()
    }

    pub fn model(&self) -> &Rc<LanguageModel> {
        &self.model
    }

    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    pub fn template(&self) -> Option<&ChatTemplate> {
        self.template.as_deref()
    }

    /// The same with an adapter.
    pub(super) fn beside(self: &Rc<Self>, adapter: Rc<Adapter>) -> Self {
        Self {
            path: self.path.clone(),
            spec: self.spec.clone(),
            model: self.model.clone(),
            tokenizer: self.tokenizer.clone(),
            template: self.template.clone(),
            adapter: Some(adapter),
            base: Some(self.clone()),
        }
    }

    /// What runs beside the weights.
    pub fn adapter(&self) -> Option<&Rc<Adapter>> {
        self.adapter.as_ref()
    }

    /// The tokens to write on.
    ///
    /// # Errors
    /// `NO_CHAT_TEMPLATE`, what a template refuses, `CONTEXT_EXCEEDED`.
    pub fn prompt(&self, input: &TextInput) -> Result<Vec<u32>> {
        let example = match input {
            TextInput::Text(text) => TextExample::Plain { text: text.clone() },
            TextInput::Conversation(messages) => TextExample::Chat { messages: messages.clone() },
        };
        let options = self.encode_options();
        let encoded = self.encoder(&options).prompt(&example).map_err(|error| match error.reason {
            "EXAMPLE_TOO_LONG" => too_long(input, options.context),
            _ => error,
        });
        Ok(encoded?.tokens)
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
        Encoder { tokenizer: &self.tokenizer, template: self.template(), verbaliser: None, options }
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
fn too_long(input: &TextInput, context: usize) -> Error {
    let field = match input {
        TextInput::Text(_) => "prompt",
        TextInput::Conversation(_) => "conversation",
    };
    Error::invalid(
        "CONTEXT_EXCEEDED",
        field,
        format!("has more tokens than the {context} that the model reads; shorten it"),
    )
}

//! What `config.json` of a Hugging Face model says, checked, in terms that all architectures share.
//!
//! ```text
//! config.json ─► Fields (typed) ─► one file a family ─► LanguageConfig ─► names and shapes of tensors (layout), Block, forward
//! ```

mod bert;
mod family;
mod fields;
mod gpt2;
mod gpt_neox;
mod llama;
mod rotary;
mod task;
#[cfg(test)]
mod tests;

pub(super) use family::Family;
pub(super) use rotary::{Rotary, Scaling};
pub use task::LanguageTask;
pub(super) use task::head_missing;

use fields::{Fields, invalid};

use crate::domain::{Error, Result};

/// A function between the two layers of a block's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    Silu,
    Gelu,
    /// With the hyperbolic tangent in place of the error function.
    GeluTanh,
    Relu,
    Tanh,
}

impl Activation {
    fn read(fields: &Fields, name: &str, default: &str) -> Result<Self> {
        match fields.text_or(name, default)? {
            "silu" | "swish" => Ok(Self::Silu),
            "gelu" => Ok(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Ok(Self::GeluTanh),
            "relu" => Ok(Self::Relu),
            other => Err(fields::unsupported(name, format!("`{other}` is not implemented"))),
        }
    }
}

/// Which norm a model has, with the number that keeps it from dividing by 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum NormKind {
    /// Zhang and Sennrich 2019.
    RootMeanSquare(f64),
    Layer(f64),
}

/// How attention and network of a block follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// `h += attention(norm(h)); h += network(norm(h))`.
    PreNorm,
    /// `h += attention(norm(h)) + network(norm(h))`.
    Parallel,
    /// `h = norm(h + attention(h)); h = norm(h + network(h))`.
    PostNorm,
}

/// How a model knows where a token stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Positions {
    Rotary(Rotary),
    /// A table with one row a position.
    Learned,
}

/// A language model without its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct LanguageConfig {
    pub(super) family: Family,
    pub(super) vocabulary_size: usize,
    pub(super) hidden_size: usize,
    pub(super) inner_size: usize,
    pub(super) head_count: usize,
    pub(super) key_head_count: usize,
    pub(super) head_size: usize,
    pub(super) context: usize,
    pub(super) norm: NormKind,
    pub(super) activation: Activation,
    pub(super) order: Order,
    pub(super) positions: Positions,
    /// For each layer: a token sees so many tokens, itself included; nothing: all before it.
    pub(super) windows: Vec<Option<usize>>,
    /// Of queries, keys and values.
    pub(super) query_bias: bool,
    /// Of the layer after attention.
    pub(super) output_bias: bool,
    /// Of the block's network.
    pub(super) inner_bias: bool,
    /// The head's weight is the embedding.
    pub(super) is_tied: bool,
    /// Rows of BERT's table of segments; every token is in the first.
    pub(super) segment_count: usize,
    pub(super) task: LanguageTask,
    pub(super) end_tokens: Vec<u32>,
    pub(super) pad_token: Option<u32>,
}

impl LanguageConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// `UNKNOWN_LANGUAGE_MODEL` names the architectures there are; `UNSUPPORTED_LANGUAGE_MODEL` an option that is not implemented;
    /// `INVALID_LANGUAGE_CONFIG` a field; `LANGUAGE_HEAD_MISSING` says that the model is a bare encoder.
    pub fn read(config_json: &str) -> Result<Self> {
        let fields = Fields::parse(config_json)?;
        let family = Family::named(fields.text_or("model_type", "")?)?;
        let config = match family {
            Family::Llama | Family::Mistral | Family::Qwen2 => llama::read(&fields, family),
            Family::Gpt2 => gpt2::read(&fields),
            Family::GptNeox => gpt_neox::read(&fields),
            Family::Bert => bert::read_bert(&fields),
            Family::DistilBert => bert::read_distilbert(&fields),
        }?;
        config.check()?;
        Ok(config)
    }

    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }

    pub fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    /// The most tokens of a sequence.
    pub fn context(&self) -> usize {
        self.context
    }

    pub fn layer_count(&self) -> usize {
        self.windows.len()
    }

    pub fn task(&self) -> &LanguageTask {
        &self.task
    }

    /// Tokens that end an answer.
    pub fn end_tokens(&self) -> &[u32] {
        &self.end_tokens
    }

    pub fn pad_token(&self) -> Option<u32> {
        self.pad_token
    }

    /// Whether a token sees only those before it.
    pub(super) fn is_causal(&self) -> bool {
        self.task == LanguageTask::Causal
    }

    fn check(&self) -> Result<()> {
        if !self.head_count.is_multiple_of(self.key_head_count) {
            let problem = format!("is {}, it must divide the {} heads", self.key_head_count, self.head_count);
            return Err(invalid("num_key_value_heads", &problem));
        }
        let tokens = self.end_tokens.iter().chain(&self.pad_token);
        if let Some(token) = tokens.into_iter().find(|&&token| token as usize >= self.vocabulary_size) {
            let problem = format!("is {}, but token {token} is named", self.vocabulary_size);
            return Err(invalid("vocab_size", &problem));
        }
        Ok(())
    }
}

/// `hidden_size / heads`, which must be whole.
fn divided(hidden_size: usize, head_count: usize, field: &str) -> Result<usize> {
    if !hidden_size.is_multiple_of(head_count) {
        return Err(invalid(field, &format!("is {head_count}, it must divide the hidden size of {hidden_size}")));
    }
    Ok(hidden_size / head_count)
}

/// The architectures there are, for messages.
fn unknown(name: &str) -> Error {
    let name: String = name.chars().take(80).collect();
    let known = Family::ALL.map(Family::name).join("`, `");
    let description = format!("config.json: `model_type` is `{name}`; `{known}` are implemented");
    Error::invalid("UNKNOWN_LANGUAGE_MODEL", "uri", description)
}

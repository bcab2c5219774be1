//! BERT and DistilBERT: every token sees every other, norms come after, the first token stands for the text.

use serde_json::Value;

use super::fields::Fields;
use super::{Activation, Family, LanguageConfig, LanguageTask, NormKind, Order, Positions, divided};
use crate::domain::Result;

pub(super) fn read_bert(fields: &Fields) -> Result<LanguageConfig> {
    fields.must_be("position_embedding_type", &Value::from("absolute"))?;
    fields.must_be("is_decoder", &Value::from(false))?;
    let encoder = Encoder {
        family: Family::Bert,
        hidden_size: fields.size("hidden_size")?,
        inner_size: fields.size("intermediate_size")?,
        head_count: fields.size("num_attention_heads")?,
        layer_count: fields.layers("num_hidden_layers")?,
        norm: NormKind::Layer(fields.positive_or("layer_norm_eps", 1e-12)?),
        activation: Activation::read(fields, "hidden_act", "gelu")?,
        segment_count: fields.size_or("type_vocab_size", 2)?,
    };
    encoder.config(fields, "num_attention_heads")
}

pub(super) fn read_distilbert(fields: &Fields) -> Result<LanguageConfig> {
    let encoder = Encoder {
        family: Family::DistilBert,
        hidden_size: fields.size("dim")?,
        inner_size: fields.size("hidden_dim")?,
        head_count: fields.size("n_heads")?,
        layer_count: fields.layers("n_layers")?,
        norm: NormKind::Layer(1e-12),
        activation: Activation::read(fields, "activation", "gelu")?,
        segment_count: 0,
    };
    encoder.config(fields, "n_heads")
}

/// What the two call by other names.
struct Encoder {
    family: Family,
    hidden_size: usize,
    inner_size: usize,
    head_count: usize,
    layer_count: usize,
    norm: NormKind,
    activation: Activation,
    segment_count: usize,
}

impl Encoder {
    fn config(self, fields: &Fields, heads_field: &str) -> Result<LanguageConfig> {
        let Self { family, hidden_size, inner_size, head_count, layer_count, norm, activation, segment_count } = self;
        Ok(LanguageConfig {
            family,
            vocabulary_size: fields.size("vocab_size")?,
            hidden_size,
            inner_size,
            head_count,
            key_head_count: head_count,
            head_size: divided(hidden_size, head_count, heads_field)?,
            context: fields.size_or("max_position_embeddings", 512)?,
            norm,
            activation,
            order: Order::PostNorm,
            positions: Positions::Learned,
            windows: vec![None; layer_count],
            query_bias: true,
            output_bias: true,
            inner_bias: true,
            is_tied: false,
            segment_count,
            task: LanguageTask::of_encoder(fields)?,
            end_tokens: fields.tokens("eos_token_id")?,
            pad_token: Some(fields.tokens("pad_token_id")?.first().copied().unwrap_or(0)),
        })
    }
}

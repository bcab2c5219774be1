//! GPT-2: layer norms before, learned positions, one layer for queries, keys and values, weights as `[in, out]`.

use serde_json::Value;

use super::fields::Fields;
use super::{Activation, Family, LanguageConfig, LanguageTask, NormKind, Order, Positions, divided};
use crate::domain::Result;

pub(super) fn read(fields: &Fields) -> Result<LanguageConfig> {
    fields.must_be("scale_attn_weights", &Value::from(true))?;
    fields.must_be("scale_attn_by_inverse_layer_idx", &Value::from(false))?;
    fields.must_be("add_cross_attention", &Value::from(false))?;
    let hidden_size = fields.size("n_embd")?;
    let head_count = fields.size("n_head")?;
    Ok(LanguageConfig {
        family: Family::Gpt2,
        vocabulary_size: fields.size("vocab_size")?,
        hidden_size,
        inner_size: fields.size_or("n_inner", 4 * hidden_size)?,
        head_count,
        key_head_count: head_count,
        head_size: divided(hidden_size, head_count, "n_head")?,
        context: fields.size("n_positions")?,
        norm: NormKind::Layer(fields.positive_or("layer_norm_epsilon", 1e-5)?),
        activation: Activation::read(fields, "activation_function", "gelu_new")?,
        order: Order::PreNorm,
        positions: Positions::Learned,
        windows: vec![None; fields.layers("n_layer")?],
        query_bias: true,
        output_bias: true,
        inner_bias: true,
        is_tied: fields.flag_or("tie_word_embeddings", true)?,
        segment_count: 0,
        task: LanguageTask::of_decoder(fields)?,
        end_tokens: fields.tokens("eos_token_id")?,
        pad_token: fields.tokens("pad_token_id")?.first().copied(),
    })
}

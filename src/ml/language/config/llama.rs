//! Llama and its kin: root mean square norms, rotary positions, gated networks, shared keys.

use super::fields::{Fields, invalid};
use super::{Activation, Family, LanguageConfig, LanguageTask, NormKind, Order, Positions, Rotary, divided};
use crate::domain::Result;

pub(super) fn read(fields: &Fields, family: Family) -> Result<LanguageConfig> {
    let hidden_size = fields.size("hidden_size")?;
    let head_count = fields.size("num_attention_heads")?;
    let head_size = match fields.maybe_size("head_dim")? {
        Some(size) => size,
        None => divided(hidden_size, head_count, "num_attention_heads")?,
    };
    if !head_size.is_multiple_of(2) {
        return Err(invalid("head_dim", &format!("is {head_size}, an even number is needed")));
    }
    let key_heads = if family == Family::Mistral { 8 } else { head_count };
    let is_biased = family == Family::Llama && fields.flag_or("attention_bias", false)?;
    Ok(LanguageConfig {
        family,
        vocabulary_size: fields.size("vocab_size")?,
        hidden_size,
        inner_size: fields.size("intermediate_size")?,
        head_count,
        key_head_count: fields.size_or("num_key_value_heads", key_heads)?,
        head_size,
        context: fields.size("max_position_embeddings")?,
        norm: NormKind::RootMeanSquare(fields.positive_or("rms_norm_eps", 1e-6)?),
        activation: Activation::read(fields, "hidden_act", "silu")?,
        order: Order::PreNorm,
        positions: Positions::Rotary(Rotary::read(fields, "rope_theta", head_size)?),
        windows: windows(fields, family)?,
        query_bias: is_biased || family == Family::Qwen2,
        output_bias: is_biased,
        inner_bias: family == Family::Llama && fields.flag_or("mlp_bias", false)?,
        is_tied: fields.flag_or("tie_word_embeddings", false)?,
        segment_count: 0,
        task: LanguageTask::of_decoder(fields)?,
        end_tokens: fields.tokens("eos_token_id")?,
        pad_token: fields.tokens("pad_token_id")?.first().copied(),
    })
}

/// Mistral: every layer has a window, unless it is null. Qwen2: from `max_window_layers` on, and only if asked for.
fn windows(fields: &Fields, family: Family) -> Result<Vec<Option<usize>>> {
    let layers = fields.layers("num_hidden_layers")?;
    match family {
        Family::Mistral => {
            let default = (!fields.states("sliding_window")).then_some(4096);
            Ok(vec![fields.maybe_size("sliding_window")?.or(default); layers])
        }
        Family::Qwen2 if fields.flag_or("use_sliding_window", false)? => {
            let window = fields.size_or("sliding_window", 4096)?;
            let first = fields.get("max_window_layers").and_then(serde_json::Value::as_u64).unwrap_or(28);
            let named = fields.texts("layer_types")?;
            let slides = |layer: usize| match named.get(layer) {
                Some(kind) => kind == "sliding_attention",
                None => layer as u64 >= first,
            };
            Ok((0..layers).map(|layer| slides(layer).then_some(window)).collect())
        }
        Family::Qwen2 | Family::Llama | Family::Gpt2 | Family::GptNeox | Family::Bert | Family::DistilBert => {
            Ok(vec![None; layers])
        }
    }
}

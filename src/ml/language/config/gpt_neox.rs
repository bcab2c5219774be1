//! GPT-NeoX (Pythia): layer norms, rotary positions on a part of each head, attention and network side by side or in turn.

use super::fields::{Fields, invalid};
use super::{Activation, Family, LanguageConfig, LanguageTask, NormKind, Order, Positions, Rotary, divided};
use crate::domain::Result;

pub(super) fn read(fields: &Fields) -> Result<LanguageConfig> {
    let hidden_size = fields.size("hidden_size")?;
    let head_count = fields.size("num_attention_heads")?;
    let head_size = divided(hidden_size, head_count, "num_attention_heads")?;
    let has_bias = fields.flag_or("attention_bias", true)?;
    let is_parallel = fields.flag_or("use_parallel_residual", true)?;
    Ok(LanguageConfig {
        family: Family::GptNeox,
        vocabulary_size: fields.size("vocab_size")?,
        hidden_size,
        inner_size: fields.size("intermediate_size")?,
        head_count,
        key_head_count: head_count,
        head_size,
        context: fields.size("max_position_embeddings")?,
        norm: NormKind::Layer(fields.positive_or("layer_norm_eps", 1e-5)?),
        activation: Activation::read(fields, "hidden_act", "gelu")?,
        order: if is_parallel { Order::Parallel } else { Order::PreNorm },
        positions: Positions::Rotary(Rotary::read(fields, "rotary_emb_base", turned(fields, head_size)?)?),
        windows: vec![None; fields.layers("num_hidden_layers")?],
        query_bias: has_bias,
        output_bias: has_bias,
        inner_bias: true,
        is_tied: fields.flag_or("tie_word_embeddings", false)?,
        segment_count: 0,
        task: LanguageTask::of_decoder(fields)?,
        end_tokens: fields.tokens("eos_token_id")?,
        pad_token: fields.tokens("pad_token_id")?.first().copied(),
    })
}

/// How many values of a head are turned.
fn turned(fields: &Fields, head_size: usize) -> Result<usize> {
    let share = fields.positive_or("rotary_pct", 0.25)?;
    let size = (head_size as f64 * share) as usize;
    if share > 1.0 || size < 2 || !size.is_multiple_of(2) {
        let problem = format!("is {share} of {head_size} values of a head, an even number of them is needed");
        return Err(invalid("rotary_pct", &problem));
    }
    Ok(size)
}

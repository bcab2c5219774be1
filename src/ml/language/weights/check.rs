//! Weights from outside against what the config declares: names, shapes, vocabulary, values.

use std::collections::BTreeMap;

use tch::{Kind, TchError, Tensor};

use super::Weights;
use crate::domain::{Error, Result};
use crate::ml::language::config::{LanguageConfig, LanguageTask, head_missing};
use crate::ml::torch::{is_finite, torch_error};

/// All tensors that the config declares, under the names it gives them.
///
/// # Errors
/// Missing, surplus and misshapen tensors are named, a vocabulary of another size, a missing head, and values that are not finite.
pub(in crate::ml::language) fn checked(config: &LanguageConfig, weights: Weights) -> Result<BTreeMap<String, Tensor>> {
    let declared = config.tensors();
    let Weights { tensors, others } = weights;
    let mut tensors = renamed(config, tensors);
    tensors.retain(|name, _| !is_passed_over(config, name));
    check_head(config, &tensors)?;
    check_vocabulary(config, &tensors)?;
    check_names(&declared, &tensors, &renamed(config, others))?;
    for (name, shape) in &declared {
        check_tensor(name, &tensors[name], shape)?;
    }
    Ok(tensors)
}

/// Bare models lack the prefix of the base; old files call a norm's weight and bias gamma and beta.
fn renamed<T>(config: &LanguageConfig, tensors: BTreeMap<String, T>) -> BTreeMap<String, T> {
    let paths = config.paths();
    let is_bare = !tensors.keys().any(|name| name.starts_with(paths.base));
    let is_of_head = |name: &str| paths.head.iter().any(|path| !path.starts_with(paths.base) && name.starts_with(path));
    let rename = |name: String| {
        let name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias");
        if is_bare && !is_of_head(&name) { format!("{}{name}", paths.base) } else { name }
    };
    tensors.into_iter().map(|(name, tensor)| (rename(name), tensor)).collect()
}

/// Tensors that some files have and that follow from the config: masks, frequencies, positions, and the head of a tied model.
fn is_passed_over(config: &LanguageConfig, name: &str) -> bool {
    const BUFFERS: [&str; 6] = [
        ".rotary_emb.inv_freq",
        ".attn.bias",
        ".attn.masked_bias",
        ".attention.bias",
        ".attention.masked_bias",
        ".position_ids",
    ];
    let is_tied_head = config.is_tied && config.paths().head.iter().any(|path| name == format!("{path}.weight"));
    is_tied_head || BUFFERS.iter().any(|buffer| name.ends_with(buffer))
}

/// A classifier whose file has nothing of its head is told so in one sentence.
fn check_head(config: &LanguageConfig, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    match config.task() {
        LanguageTask::Classify { .. } if !tensors.contains_key("classifier.weight") => Err(head_missing("the file")),
        LanguageTask::Classify { .. } | LanguageTask::Causal => Ok(()),
    }
}

fn check_vocabulary(config: &LanguageConfig, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let rows =
        tensors.get(&format!("{}.weight", config.paths().embedding)).and_then(|table| table.size().first().copied());
    match rows {
        Some(rows) if rows != config.vocabulary_size() as i64 => {
            let stated = config.vocabulary_size();
            let description = format!(
                "config.json states a vocabulary of {stated} tokens, the weights have {rows}; use both of one model"
            );
            Err(Error::invalid("VOCABULARY_MISMATCH", "uri", description))
        }
        Some(_) | None => Ok(()),
    }
}

const REMEDY: &str = "use the weights and config.json of one model";

fn check_names(
    declared: &BTreeMap<String, Vec<i64>>,
    tensors: &BTreeMap<String, Tensor>,
    others: &BTreeMap<String, String>,
) -> Result<()> {
    if let Some((name, found)) = others.iter().find(|(name, _)| declared.contains_key(*name)) {
        let description = format!("tensor `{name}` is {found}; F32, F16 or BF16 is needed");
        return Err(Error::invalid("TENSOR_TYPE_MISMATCH", "uri", description));
    }
    let missing: Vec<_> = declared.keys().filter(|name| !tensors.contains_key(*name)).collect();
    if !missing.is_empty() {
        let description = format!("the weights lack {} that the model needs; {REMEDY}", list(&missing));
        return Err(Error::invalid("MISSING_TENSOR", "uri", description));
    }
    let surplus: Vec<_> = tensors.keys().filter(|name| !declared.contains_key(*name)).collect();
    if !surplus.is_empty() {
        let description = format!("the weights have {} that the model does not know; {REMEDY}", list(&surplus));
        return Err(Error::invalid("UNEXPECTED_TENSOR", "uri", description));
    }
    Ok(())
}

/// How many, and the first names.
fn list(names: &[&String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(|name| format!("`{}`", name.chars().take(80).collect::<String>()));
    let shown: Vec<_> = shown.collect();
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    let noun = if names.len() == 1 { "tensor" } else { "tensors" };
    format!("{} {noun} ({}{more})", names.len(), shown.join(", "))
}

fn check_tensor(name: &str, tensor: &Tensor, shape: &[i64]) -> Result<()> {
    if tensor.size() != shape {
        let description = format!("tensor `{name}` has shape {:?}, the model needs {shape:?}; {REMEDY}", tensor.size());
        return Err(Error::invalid("TENSOR_SHAPE_MISMATCH", "uri", description));
    }
    if !is_finite_in_parts(tensor).map_err(torch_error("check the weights"))? {
        let description = format!("tensor `{name}` has infinite or NaN values; the training run diverged");
        return Err(Error::invalid("NON_FINITE_WEIGHTS", "uri", description));
    }
    Ok(())
}

/// In parts, so that the check of a large table takes little memory of its own.
fn is_finite_in_parts(tensor: &Tensor) -> Result<bool, TchError> {
    const PART: i64 = 1 << 20;
    debug_assert!(matches!(tensor.kind(), Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double));
    let values = tensor.f_detach()?.f_reshape([-1])?;
    let count = values.numel() as i64;
    for first in (0..count).step_by(PART as usize) {
        if !is_finite(&values.f_narrow(0, first, PART.min(count - first))?)? {
            return Ok(false);
        }
    }
    Ok(true)
}

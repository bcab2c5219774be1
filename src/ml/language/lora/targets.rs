//! Which layers of a model an adapter is put beside.

use std::collections::BTreeSet;

use crate::domain::text_training::LoraTargets;
use crate::domain::{Error, Result};
use crate::ml::language::config::{LanguageConfig, LanguageTask};
use crate::ml::language::layout::LinearLayer;

/// A linear layer of the model that is adapted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerShape {
    /// `model.layers.0.self_attn.q_proj`.
    pub path: String,
    pub inputs: i64,
    pub outputs: i64,
}

impl LayerShape {
    fn is_called(&self, name: &str) -> bool {
        self.path.strip_suffix(name).is_some_and(|front| front.is_empty() || front.ends_with('.'))
    }
}

impl LanguageConfig {
    /// Every linear layer but the last of the head, in the model's order.
    pub fn adaptable_layers(&self) -> Vec<LayerShape> {
        let paths = self.linear_paths();
        let layers = self.linear_layers().into_iter().filter(|layer| paths.contains(&layer.path));
        let shape = |layer: LinearLayer| LayerShape {
            path: layer.path,
            inputs: layer.inputs as i64,
            outputs: layer.outputs as i64,
        };
        layers.map(shape).collect()
    }

    /// Whether the files have weights as `[in, out]` (GPT-2).
    pub fn has_transposed_weights(&self) -> bool {
        self.paths().is_transposed
    }

    /// Names and sizes of the tensors that an adapter of a classifier brings along: those of its last layer.
    pub fn head_tensors(&self) -> Vec<(String, Vec<i64>)> {
        let (LanguageTask::Classify { .. }, Some(layer)) = (self.task(), self.linear_layers().pop()) else {
            return Vec::new();
        };
        let (inputs, outputs) = (layer.inputs as i64, layer.outputs as i64);
        let bias = layer.has_bias.then(|| (format!("{}.bias", layer.path), vec![outputs]));
        [(format!("{}.weight", layer.path), vec![outputs, inputs])].into_iter().chain(bias).collect()
    }
}

/// The layers that `targets` means, in the model's order. `base` has every linear layer but the head.
pub fn select<'a>(targets: &LoraTargets, base: &'a [LayerShape]) -> Result<Vec<&'a LayerShape>> {
    let names = match targets {
        LoraTargets::AllLinear => return Ok(base.iter().collect()),
        LoraTargets::Usual => &usual(base),
        LoraTargets::Named(names) => names,
    };
    for (position, name) in names.iter().enumerate() {
        if name.is_empty() || !base.iter().any(|layer| layer.is_called(name)) {
            return Err(unknown(position, name, base));
        }
    }
    match names.is_empty() {
        true => Err(Error::invalid(
            "UNKNOWN_TARGET_MODULE",
            "target_modules",
            format!("name at least one of {}", candidates(base)),
        )),
        false => Ok(base.iter().filter(|layer| names.iter().any(|name| layer.is_called(name))).collect()),
    }
}

/// Queries and values in the families' words, or the layer that makes both.
const USUAL: [&[&str]; 5] =
    [&["q_proj", "v_proj"], &["query", "value"], &["q_lin", "v_lin"], &["query_key_value"], &["c_attn"]];

fn usual(base: &[LayerShape]) -> Vec<String> {
    let has = |names: &&[&str]| names.iter().all(|name| base.iter().any(|layer| layer.is_called(name)));
    let found = USUAL.into_iter().find(has).unwrap_or_default();
    found.iter().map(|name| (*name).to_owned()).collect()
}

fn unknown(position: usize, name: &str, base: &[LayerShape]) -> Error {
    let description = format!("the model has no linear layer `{name}`; its layers are called {}", candidates(base));
    Error::invalid("UNKNOWN_TARGET_MODULE", format!("target_modules[{position}]"), description)
}

/// The last parts of all paths, each once.
fn candidates(base: &[LayerShape]) -> String {
    let names: BTreeSet<&str> = base.iter().map(|layer| layer.path.rsplit('.').next().unwrap_or(&layer.path)).collect();
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

//! Which layers of a model an adapter is put beside.

use std::collections::BTreeSet;

use crate::domain::text_training::LoraTargets;
use crate::domain::{Error, Result};

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

/// The layers that `targets` means, in the model's order. `base` has every linear layer but the head.
pub fn select<'a>(targets: &LoraTargets, base: &'a [LayerShape]) -> Result<Vec<&'a LayerShape>> {
    let LoraTargets::Named(names) = targets else { return Ok(base.iter().collect()) };
    for (position, name) in names.iter().enumerate() {
        if name.is_empty() || !base.iter().any(|layer| layer.is_called(name)) {
            return Err(unknown(position, name, base));
        }
    }
    match names.is_empty() {
        true => Err(Error::invalid(
            "UNKNOWN_TARGET_MODULE",
            "targets",
            format!("name at least one of {}", candidates(base)),
        )),
        false => Ok(base.iter().filter(|layer| names.iter().any(|name| layer.is_called(name))).collect()),
    }
}

fn unknown(position: usize, name: &str, base: &[LayerShape]) -> Error {
    let description = format!("the model has no linear layer `{name}`; its layers are called {}", candidates(base));
    Error::invalid("UNKNOWN_TARGET_MODULE", format!("targets[{position}]"), description)
}

/// The last parts of all paths, each once.
fn candidates(base: &[LayerShape]) -> String {
    let names: BTreeSet<&str> = base.iter().map(|layer| layer.path.rsplit('.').next().unwrap_or(&layer.path)).collect();
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

//! `adapter_config.json` as peft 0.17 writes and reads it. What changes the meaning of an adapter and is not known here is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::text_training::{LoraSpec, LoraTargets};
use crate::domain::{Error, Result};

/// What the adapted model does, in peft's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TaskKind {
    #[serde(rename = "CAUSAL_LM")]
    Causal,
    #[serde(rename = "SEQ_CLS")]
    Classification,
}

/// The fields that matter; others are peft's own affair.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PeftConfig {
    peft_type: String,
    pub(super) task_type: Option<TaskKind>,
    r: u32,
    lora_alpha: f64,
    #[serde(default)]
    lora_dropout: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    target_modules: Value,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, f64>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// Fields that must be absent, null, false or empty.
const REFUSED: [&str; 7] = [
    "use_dora",
    "lora_bias",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
    "use_qalora",
    "megatron_config",
];
/// Ways to start that change the base model's weights as well.
const MOVING_STARTS: [&str; 4] = ["pissa", "olora", "corda", "loftq"];

impl PeftConfig {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let config: Self = serde_json::from_str(text)
            .map_err(|error| malformed(format!("adapter_config.json is not that of a LoRA adapter: {error}")))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        if self.peft_type != "LORA" {
            return Err(unsupported("peft_type", &json!(self.peft_type), "LORA"));
        }
        for field in REFUSED {
            if let Some(value) = self.others.get(field).filter(|value| !is_unset(value)) {
                return Err(unsupported(field, value, "unset"));
            }
        }
        match self.others.get("bias").and_then(Value::as_str) {
            Some(bias) if bias != "none" => return Err(unsupported("bias", &json!(bias), "none")),
            Some(_) | None => {}
        }
        let start = self.others.get("init_lora_weights").and_then(Value::as_str).unwrap_or_default();
        match MOVING_STARTS.iter().any(|name| start.to_lowercase().starts_with(name)) {
            true => Err(unsupported("init_lora_weights", &json!(start), "true (save it as a plain LoRA adapter)")),
            false => Ok(()),
        }
    }

    /// `found` are the ranks of the layers' tensors.
    pub(super) fn check_ranks(&self, found: impl Iterator<Item = i64>) -> Result<()> {
        let (mut count, mut highest) = (0, 0);
        for rank in found {
            (count, highest) = (count + 1, highest.max(rank));
        }
        if count == 0 {
            return Err(malformed("it has no lora_A and lora_B of any layer".to_owned()));
        }
        let is_patterned = self.others.get("rank_pattern").is_some_and(|pattern| !is_unset(pattern));
        match is_patterned || i64::from(self.r) == highest {
            true => Ok(()),
            false => Err(malformed(format!("its settings say rank {}, its tensors have rank {highest}", self.r))),
        }
    }

    pub(super) fn spec(&self) -> LoraSpec {
        let names: Vec<String> = serde_json::from_value(self.target_modules.clone()).unwrap_or_default();
        LoraSpec {
            rank: self.r,
            alpha: self.lora_alpha,
            dropout: self.lora_dropout,
            targets: if names.is_empty() { LoraTargets::AllLinear } else { LoraTargets::Named(names) },
            rank_stabilised: self.use_rslora,
        }
    }

    /// Of the layer at `path` with `rank` rows in A: `alpha_pattern` may name another alpha, a layer's file another rank.
    pub(super) fn scale(&self, path: &str, rank: i64) -> f64 {
        let is_meant = |name: &&String| {
            path.strip_suffix(name.as_str()).is_some_and(|front| front.is_empty() || front.ends_with('.'))
        };
        let alpha = self.alpha_pattern.keys().find(is_meant).map_or(self.lora_alpha, |name| self.alpha_pattern[name]);
        let spec = LoraSpec { alpha, rank: u32::try_from(rank).unwrap_or(u32::MAX), ..self.spec() };
        spec.scale()
    }
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Number(_) | Value::String(_) => false,
    }
}

/// The file's text. `paths` are the adapted layers: peft writes them out where every linear layer is meant.
pub(super) fn write(
    spec: &LoraSpec,
    task: TaskKind,
    base: &str,
    paths: Vec<&String>,
    saved: Vec<String>,
) -> Result<String> {
    let targets = match &spec.targets {
        LoraTargets::AllLinear | LoraTargets::Usual => json!(paths),
        LoraTargets::Named(names) => json!(names),
    };
    let config = json!({
        "alpha_pattern": {},
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "lora_alpha": number(spec.alpha),
        "lora_dropout": spec.dropout,
        "modules_to_save": if saved.is_empty() { Value::Null } else { json!(saved) },
        "peft_type": "LORA",
        "r": spec.rank,
        "rank_pattern": {},
        "target_modules": targets,
        "task_type": task,
        "use_dora": false,
        "use_rslora": spec.rank_stabilised,
    });
    serde_json::to_string_pretty(&config)
        .map_err(|error| Error::internal("failed to write the adapter's settings").with_source(error))
}

/// Whole numbers without a point, as people write them.
fn number(value: f64) -> Value {
    match value.fract() == 0.0 && value.abs() < 1e15 {
        true => json!(value as i64),
        false => json!(value),
    }
}

fn unsupported(field: &str, value: &Value, remedy: &str) -> Error {
    let description = format!("adapter_config.json says {value}; only {remedy} is supported");
    Error::invalid("UNSUPPORTED_ADAPTER", field, description)
}

pub(super) fn malformed(message: String) -> Error {
    Error::invalid("MALFORMED_ADAPTER", "", message)
}

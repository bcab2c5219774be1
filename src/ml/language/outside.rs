//! Files of language models that others wrote: for `crate::fuzzing`.

use std::path::Path;

use tch::{Device, Kind};

use super::lora::{AdapterFiles, LayerShape};
use super::{Language, LanguageConfig, LanguageModel, Weights};
use crate::domain::model::{ModelFormat, ModelSpec, Preprocessing};

/// The smallest model with everything that a Llama has.
const SMALL: &str = r#"{"model_type":"llama","architectures":["LlamaForCausalLM"],"vocab_size":4,"hidden_size":2,"intermediate_size":2,
    "num_hidden_layers":1,"num_attention_heads":1,"max_position_embeddings":8,"tie_word_embeddings":true}"#;

/// With the layers that follow from it.
pub(crate) fn config(json: &str) {
    if let Ok(config) = LanguageConfig::read(json) {
        let _ = (config.adaptable_layers(), config.head_tensors());
    }
}

pub(crate) fn weights(path: &Path) {
    let config = LanguageConfig::read(SMALL).expect("a good configuration");
    if let Ok(weights) = Weights::map(&[path.to_owned()]) {
        let _ = LanguageModel::new(config, weights, Kind::Float, Device::Cpu);
    }
}

/// A package, as it becomes resident.
pub(crate) fn package(path: &Path) {
    let spec = ModelSpec {
        format: ModelFormat::HuggingFace,
        architecture: String::new(),
        class_count: 0,
        class_names: Vec::new(),
        preprocessing: Preprocessing::default(),
        text: None,
    };
    let _ = Language::load(path, &spec, Device::Cpu);
}

/// Both files of an adapter, for a model with two layers.
pub(crate) fn adapter(config: &str, weights: &[u8]) {
    let layer = |name: &str| LayerShape { path: format!("model.layers.0.self_attn.{name}"), inputs: 6, outputs: 4 };
    let files = AdapterFiles { config: config.to_owned(), weights: weights.to_vec() };
    let head = [("score.weight".to_owned(), vec![2, 6])];
    let _ = files.load(&[layer("q_proj"), layer("v_proj")], &head, Device::Cpu);
}

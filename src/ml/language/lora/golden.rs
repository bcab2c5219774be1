//! Forward passes, merging and files against peft (`tests/golden/lora/make.py`).

use std::collections::HashMap;
use std::path::PathBuf;

use tch::{Device, Kind, Tensor};

use super::*;
use crate::ml::language::testing::weights;
use crate::ml::language::{LanguageConfig, LanguageModel};
use crate::ml::torch::NoGrad;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/lora").join(name)
}

fn tensors() -> HashMap<String, Tensor> {
    Tensor::read_safetensors(golden("golden.safetensors")).unwrap().into_iter().collect()
}

fn model(name: &str) -> LanguageModel {
    let config = std::fs::read_to_string(golden(name).join("config.json")).unwrap();
    let weights = weights(&golden(name));
    LanguageModel::new(LanguageConfig::read(&config).unwrap(), weights, Kind::Float, Device::Cpu).unwrap()
}

fn load(name: &str, model: &LanguageModel) -> LoadedAdapter {
    let (layers, head) = (model.config().adaptable_layers(), model.config().head_tensors());
    AdapterFiles::read(&golden(name), u64::MAX).unwrap().load(&layers, &head, Device::Cpu).unwrap()
}

/// The largest difference of logits, at tokens alone where there is one for each.
fn gap(model: &LanguageModel, adapter: Option<&Adapter>, expected: &str) -> f64 {
    let _guard = NoGrad::enter();
    let tensors = tensors();
    let mask = &tensors["mask"];
    let embeddings = model.embed(&tensors["tokens"]).unwrap();
    let found = model.forward(&embeddings, Some(mask), adapter).unwrap();
    let difference = (found - &tensors[expected]).abs();
    let shown = if difference.dim() == 3 { difference * mask.unsqueeze(-1) } else { difference };
    shown.max().double_value(&[])
}

#[test]
fn adapted_logits_equal_those_of_peft() {
    let base = model("base");
    let plain = gap(&base, None, "base.logits");
    assert!(plain < 1e-5, "without an adapter: {plain}");
    for (name, scale) in [("final", 2.0), ("every_layer", 4.0)] {
        let loaded = load(name, &base);
        assert!(loaded.adapter.layers().values().all(|low_rank| low_rank.scale == scale), "{name}");
        let gap = gap(&base, Some(&loaded.adapter), &format!("{name}.logits"));
        assert!(gap < 1e-4, "{name}: {gap}");
    }
    assert_eq!(load("every_layer", &base).adapter.layers().len(), 14);
}

#[test]
fn a_classifier_takes_its_head_from_the_adapter() {
    let classifier = model("classifier");
    let loaded = load("classifier_final", &classifier);
    assert_eq!(loaded.task, Some(TaskKind::Classification));
    assert_eq!(loaded.adapter.saved().keys().collect::<Vec<_>>(), ["classifier.bias", "classifier.weight"]);
    let gap = gap(&classifier, Some(&loaded.adapter), "classifier_final.logits");
    assert!(gap < 1e-4, "{gap}");
}

#[test]
fn merged_weights_equal_those_of_peft() {
    let base = model("base");
    let loaded = load("final", &base);
    let tensors = tensors();
    for layer in ["q_proj", "v_proj"] {
        let path = format!("model.layers.1.self_attn.{layer}");
        let merged = loaded.adapter.merged(&path, &base.tensors()[&format!("{path}.weight")]).unwrap().unwrap();
        let gap = (&merged - &tensors[&format!("merged.{path}.weight")]).abs().max().double_value(&[]);
        assert!(gap < 1e-6, "{path}: {gap}");
        let back = loaded.adapter.unmerged(&path, &merged).unwrap().unwrap();
        assert!((back - &base.tensors()[&format!("{path}.weight")]).abs().max().double_value(&[]) < 1e-6);
    }
}

/// `make.py` opens these files with peft. Run with `UNLEARND_WRITE_GOLDEN=1` to write them anew after a change of format.
#[test]
fn written_files_are_those_that_peft_opened() {
    for (from, base, to) in [("final", "base", "ours"), ("classifier_final", "classifier", "ours_classifier")] {
        let loaded = load(from, &model(base));
        let files = AdapterFiles::of(&loaded.adapter, &loaded.spec, loaded.task.unwrap(), "base").unwrap();
        if std::env::var_os("UNLEARND_WRITE_GOLDEN").is_some() {
            files.write(&golden(to)).unwrap();
        }
        assert_eq!(files, AdapterFiles::read(&golden(to), u64::MAX).unwrap(), "{to}");
    }
}

#[test]
fn an_adapter_of_one_model_does_not_fit_the_other() {
    let classifier = model("classifier");
    let (layers, head) = (classifier.config().adaptable_layers(), classifier.config().head_tensors());
    let error = AdapterFiles::read(&golden("final"), u64::MAX).unwrap().load(&layers, &head, Device::Cpu).unwrap_err();
    assert_eq!(error.reason, "ADAPTER_MISMATCH");
}

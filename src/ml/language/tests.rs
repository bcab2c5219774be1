//! What a model costs in memory.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::testing::weights;
use super::{LanguageConfig, LanguageModel};
use crate::ml::torch::NoGrad;

const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 16384, "hidden_size": 512, "intermediate_size": 1536,
    "num_hidden_layers": 4, "num_attention_heads": 8, "max_position_embeddings": 256, "tie_word_embeddings": true}"#;

/// Kibibytes of this process that no file backs.
fn private_kibibytes() -> u64 {
    let smaps = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = smaps.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn write(config: &LanguageConfig, folder: &Path) -> u64 {
    let tensor = |(name, shape): (String, Vec<i64>)| {
        tch::manual_seed(0);
        (name, Tensor::randn(shape.as_slice(), (Kind::Float, Device::Cpu)) * 0.02)
    };
    let tensors: BTreeMap<_, _> = config.tensors().into_iter().map(tensor).collect();
    let named: Vec<_> = tensors.iter().collect();
    Tensor::write_safetensors(&named, folder.join("model.safetensors")).unwrap();
    tensors.values().map(|tensor| tensor.numel() as u64 * 4).sum()
}

/// In a process of its own, where nobody else takes memory; the weights are written by another, which keeps what it took.
#[test]
fn a_model_in_f32_takes_a_fifth_of_its_weights_in_memory_of_its_own_at_most() {
    const FOLDER: &str = "LANGUAGE_MODEL_MEASURED_ALONE";
    let config = LanguageConfig::read(CONFIG).unwrap();
    let Some(folder) = std::env::var_os(FOLDER) else {
        let folder = tempfile::tempdir().unwrap();
        write(&config, folder.path());
        let name = "ml::language::tests::a_model_in_f32_takes_a_fifth_of_its_weights_in_memory_of_its_own_at_most";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let output = child.args([name, "--exact", "--nocapture"]).env(FOLDER, folder.path()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
        return;
    };
    let _guard = NoGrad::enter();
    let before = private_kibibytes();
    let weights = weights(Path::new(&folder));
    let size: u64 = weights.tensors().values().map(|tensor| tensor.numel() as u64 * 4).sum();
    let model = LanguageModel::new(config, weights, Kind::Float, Device::Cpu).unwrap();
    let tokens = Tensor::arange(128, (Kind::Int64, Device::Cpu)).unsqueeze(0);
    let hidden = model.hidden(&model.embed(&tokens).unwrap(), None, None).unwrap();
    drop(model.head(&hidden.select(1, -1), None).unwrap());
    let taken = (private_kibibytes() - before) * 1024;
    assert!(taken < size / 5, "{taken} of {size} bytes");
}

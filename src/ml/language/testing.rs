//! What the tests of language models share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use safetensors::tensor::{Dtype, TensorView};
use tch::{Device, Kind, Tensor};

use super::weights::Weights;
use super::{Language, LanguageConfig};
use crate::ml::testing::spec;

/// The weights in a folder, in one file or several.
pub(super) fn weights(folder: &Path) -> Weights {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_part = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("model") && name.ends_with(".safetensors")
    };
    let mut files: Vec<PathBuf> = entries.filter(is_part).collect();
    files.sort();
    Weights::map(&files).unwrap()
}

/// A package of a model with random weights of this configuration and one of the tokenizers of `tests/golden/text`, opened.
pub(super) fn resident(config: &str, tokenizer: &str, tokenizer_config: &str, scale: f64) -> Rc<Language> {
    tch::manual_seed(0);
    let shapes = LanguageConfig::read(config).unwrap().tensors();
    let bytes = |shape: &[i64]| -> Vec<u8> {
        let values =
            Vec::<f32>::try_from((Tensor::randn(shape, (Kind::Float, Device::Cpu)) * scale).reshape([-1])).unwrap();
        values.into_iter().flat_map(f32::to_le_bytes).collect()
    };
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
        .into_iter()
        .map(|(name, shape)| (name, shape.iter().map(|side| *side as usize).collect(), bytes(&shape)))
        .collect();
    let views = data
        .iter()
        .map(|(name, shape, bytes)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/text");
    let texts = HashMap::from([
        ("config.json".to_owned(), config.to_owned()),
        ("tokenizer.json".to_owned(), std::fs::read_to_string(folder.join(format!("{tokenizer}.json"))).unwrap()),
        ("tokenizer_config.json".to_owned(), tokenizer_config.to_owned()),
    ]);
    let file = tempfile::NamedTempFile::new().unwrap();
    safetensors::serialize_to_file(views, Some(texts), file.path()).unwrap();
    Rc::new(Language::load(file.path(), &spec(0), Device::Cpu).unwrap())
}

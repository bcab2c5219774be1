//! What comes with language models and text datasets.
//!
//! An entry that needs several files takes them as one: apart by a zero byte where no text has one, else behind their names.

use std::fs;

use super::{Folder, limits};
use crate::domain::dataset::{DatasetFormat, DatasetRecord};
use crate::domain::ids::DatasetId;
use crate::domain::text::{TextColumns, TextSource};
use crate::ml;
use crate::storage::datasets::{TextDataset, TextIngestRequest, ingest_text_within};
use crate::storage::packages;

/// Begins the name of a file, which a line feed ends.
const FILE_MARK: u8 = 1;
const FILES: [&str; 9] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
    "model.safetensors",
    "other.safetensors",
];

/// `tokenizer.json`, then a text for it.
pub fn tokenizer(bytes: &[u8]) {
    let (file, text) = apart(bytes);
    ml::text::outside::tokenizer(file, &String::from_utf8_lossy(text));
}

/// A chat template, then `tokenizer_config.json`.
pub fn chat_template(bytes: &[u8]) {
    let (template, config) = apart(bytes);
    ml::text::outside::chat_template(&String::from_utf8_lossy(template), &String::from_utf8_lossy(config));
}

/// `config.json` of a language model.
pub fn language_config(bytes: &[u8]) {
    ml::language::outside::config(&String::from_utf8_lossy(bytes));
}

/// Weights of a very small language model.
pub fn language_weights(bytes: &[u8]) {
    let folder = Folder::new();
    ml::language::outside::weights(&folder.holding("model.safetensors", bytes));
}

/// A folder of Hugging Face: into a package, as a model, and back into a folder.
pub fn language_folder(bytes: &[u8]) {
    let folder = Folder::new();
    let source = folder.path().join("source");
    fs::create_dir(&source).expect("room for a folder");
    for (name, content) in files(bytes) {
        fs::write(source.join(name), content).expect("room for a file");
    }
    let package = folder.path().join("package");
    if packages::Folder::read(&source).and_then(|found| found.pack(&package)).is_ok() {
        ml::language::outside::package(&package);
        let again = folder.path().join("again");
        packages::unpack(&package, &again).expect("what was packed can be unpacked");
        packages::Folder::read(&again).expect("what was unpacked is a folder of a model");
    }
}

/// `adapter_config.json`, then `adapter_model.safetensors`.
pub fn adapter(bytes: &[u8]) {
    let (config, weights) = apart(bytes);
    ml::language::outside::adapter(&String::from_utf8_lossy(config), weights);
}

pub fn text_csv(bytes: &[u8]) {
    dataset("train.csv", DatasetFormat::Csv, bytes);
}

pub fn text_jsonl(bytes: &[u8]) {
    dataset("train.jsonl", DatasetFormat::Jsonl, bytes);
}

pub fn text_parquet(bytes: &[u8]) {
    dataset("train.parquet", DatasetFormat::Parquet, bytes);
}

/// What stands before the first zero byte and after it.
fn apart(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// Files by their names; others than `FILES` belong to the content before them.
fn files(bytes: &[u8]) -> Vec<(&'static str, &[u8])> {
    let is_start = |at: &usize| bytes[*at] == FILE_MARK && named(&bytes[at + 1..]).is_some();
    let mut starts: Vec<usize> = (0..bytes.len()).filter(is_start).collect();
    starts.push(bytes.len());
    starts.windows(2).filter_map(|ends| named(&bytes[ends[0] + 1..ends[1]])).collect()
}

/// A name and what stands behind it.
fn named(part: &[u8]) -> Option<(&'static str, &[u8])> {
    let content = |name: &str| part.strip_prefix(name.as_bytes())?.strip_prefix(b"\n");
    FILES.iter().find_map(|name| Some((*name, content(name)?)))
}

/// Registers what stands in a file, and reads it back if it was taken.
fn dataset(name: &str, format: DatasetFormat, bytes: &[u8]) {
    let folder = Folder::new();
    let request = TextIngestRequest {
        id: DatasetId::new("outside").expect("a good id"),
        uri: String::new(),
        path: folder.holding(name, bytes),
        format: Some(format),
        split: None,
        columns: TextColumns::default(),
        class_names: Vec::new(),
    };
    let stored = folder.path().join("stored");
    if let Ok(record) = ingest_text_within(&request, &stored, &limits(), &|_, _| {}) {
        read_back(&record, &stored);
    }
}

/// # Panics
/// Where a dataset that was taken cannot be read.
fn read_back(record: &DatasetRecord, stored: &std::path::Path) {
    let dataset = TextDataset::open(record, stored).expect("what was taken can be opened");
    dataset.verify().expect("what was taken is what was stored");
    for split in &record.splits {
        let split = dataset.split(&split.name).expect("a split that was taken is there");
        for position in 0..split.len().min(4) {
            split.get(position).expect("what was taken can be read");
        }
        for column in &record.columns {
            split.column(column).expect("a column that was taken can be read");
        }
    }
}

//! The decoders of bytes from outside, one entry each: for the fuzz targets (`fuzz/`) and for the test that replays their corpus.
//! Not a part of the library's interface.
//!
//! An entry takes any bytes and comes back soon, in little memory and without a panic. That is all it promises; what the bytes meant is
//! forgotten. Files are read as the daemon reads them, by path, from a folder in memory where the machine has one.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::config::{Flags, load};
use crate::domain::dataset::{DatasetFormat, DatasetRecord, ImageShape, ImageSource};
use crate::domain::ids::DatasetId;
use crate::domain::model::Resize;
use crate::storage::datasets::{Dataset, IngestRequest, Limits, decode_inline, ingest_within};
use crate::storage::uri::Roots;
use crate::{ml, rpc, storage};

mod texts;

pub use texts::{
    adapter, chat_template, language_config, language_folder, language_weights, text_csv, text_jsonl, text_parquet,
    tokenizer,
};

/// A name of a fuzz target and what it runs.
type Entry = (&'static str, fn(&[u8]));

pub const ENTRIES: &[Entry] = &[
    ("adapter", adapter),
    ("archive", archive),
    ("certificate", certificate),
    ("chat_template", chat_template),
    ("concept_bank", concept_bank),
    ("config", config),
    ("csv", csv),
    ("image", image),
    ("language_config", language_config),
    ("language_folder", language_folder),
    ("language_weights", language_weights),
    ("names", names),
    ("npz", npz),
    ("parquet", parquet),
    ("requests", requests),
    ("safetensors", safetensors),
    ("text_csv", text_csv),
    ("text_jsonl", text_jsonl),
    ("text_parquet", text_parquet),
    ("tokenizer", tokenizer),
    ("tokens", tokens),
    ("weights", weights),
];

/// A message, chosen by the first byte, through its conversion.
pub fn requests(bytes: &[u8]) {
    rpc::outside::requests(bytes);
}

/// Names, ids, URIs and page tokens.
pub fn names(bytes: &[u8]) {
    rpc::outside::names(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = storage::store::PageRequest { size: 0, token: text.to_string() }.start_after("jobs");
    let folder = Folder::new();
    let roots = Roots::new(vec![folder.path().to_owned()]);
    let _ = roots.resolve(&text, "uri");
    let _ = roots.resolve_for_writing(&text, "uri");
}

/// The DER of a client's certificate.
pub fn certificate(bytes: &[u8]) {
    rpc::outside::certificate(bytes);
}

/// The file of tokens.
pub fn tokens(bytes: &[u8]) {
    rpc::outside::tokens(&String::from_utf8_lossy(bytes));
}

/// The configuration file.
pub fn config(bytes: &[u8]) {
    let folder = Folder::new();
    let flags = Flags {
        config: Some(folder.holding("unlearnd.toml", bytes)),
        data_dir: Some(folder.path().join("data")),
        ..Flags::default()
    };
    if let Err(problems) = load(&flags) {
        let _ = problems.to_string();
    }
}

/// An image that comes with a request.
pub fn image(bytes: &[u8]) {
    let shape = ImageShape { height: 8, width: 8, channels: 3 };
    for resize in [Resize::None, Resize::Bilinear] {
        let _ = decode_inline(bytes, shape, resize);
    }
}

pub fn csv(bytes: &[u8]) {
    dataset("data.csv", DatasetFormat::Csv, bytes);
}

pub fn npz(bytes: &[u8]) {
    dataset("data.npz", DatasetFormat::Npz, bytes);
}

pub fn parquet(bytes: &[u8]) {
    dataset("data.parquet", DatasetFormat::Parquet, bytes);
}

pub fn safetensors(bytes: &[u8]) {
    dataset("data.safetensors", DatasetFormat::Safetensors, bytes);
}

/// A bank that somebody else made.
pub fn concept_bank(bytes: &[u8]) {
    let folder = Folder::new();
    let path = folder.holding("bank.safetensors", bytes);
    for names in [Vec::new(), vec!["striped".to_owned()]] {
        let _ = storage::banks::import(&path, names);
    }
}

/// Weights of a built-in architecture.
pub fn weights(bytes: &[u8]) {
    let folder = Folder::new();
    ml::backbone::outside::weights(&folder.holding("model.safetensors", bytes));
}

/// A TorchScript archive, as far as we look into it before libtorch does.
pub fn archive(bytes: &[u8]) {
    ml::backbone::outside::archive(bytes);
}

/// Registers what stands in a file, and reads it back if it was taken.
fn dataset(name: &str, format: DatasetFormat, bytes: &[u8]) {
    let folder = Folder::new();
    let request = IngestRequest {
        id: DatasetId::new("outside").expect("a good id"),
        uri: String::new(),
        path: folder.holding(name, bytes),
        format: Some(format),
        split: None,
        image_column: None,
        label_column: None,
        class_names: Vec::new(),
    };
    let stored = folder.path().join("stored");
    if let Ok(record) = ingest_within(&request, &stored, &limits(), &|_, _| {}) {
        read_back(&record, &stored);
    }
}

/// # Panics
/// Where a dataset that was taken cannot be read.
fn read_back(record: &DatasetRecord, stored: &Path) {
    let dataset = Dataset::open(record, stored).expect("what was taken can be opened");
    for split in &record.splits {
        let split = dataset.split(&split.name).expect("a split that was taken is there");
        let positions: Vec<usize> = (0..split.labels().len().min(4)).collect();
        let shape = ImageShape { height: 8, width: 8, channels: 3 };
        split.read(&positions, shape, Resize::Bilinear).expect("what was taken can be read");
    }
}

/// Small, so that what is refused for its size is refused soon.
fn limits() -> Limits {
    Limits {
        image_side: 256,
        image_pixels: 1 << 14,
        encoded_image_bytes: 1 << 20,
        decoded_bytes: 1 << 18,
        stored_bytes: 1 << 24,
        samples: 10_000,
        classes: 100,
        splits: 4,
        columns: 16,
        header_reader: None,
    }
}

/// A folder of its own for one run.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self(made.expect("a temporary folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn holding(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, bytes).expect("room for a file");
        path
    }
}

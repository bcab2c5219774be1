//! A folder in the layout of Hugging Face, looked at without reading its tensors.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Metadata, TensorInfo};
use serde::Deserialize;

use crate::domain::{Error, Result};

/// Files that go into the package as text, and whether a model cannot do without them.
const TEXTS: [(&str, bool); 6] = [
    ("config.json", true),
    ("tokenizer.json", true),
    ("tokenizer_config.json", false),
    ("special_tokens_map.json", false),
    ("generation_config.json", false),
    ("chat_template.jinja", false),
];
pub(super) const WHOLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const MAX_TEXT_BYTES: u64 = 32 << 20;
const MAX_HEADER_BYTES: u64 = 64 << 20;

/// A tensor and where its bytes are.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) info: TensorInfo,
    pub(super) file: PathBuf,
    /// From the start of the file.
    pub(super) offset: u64,
}

/// What is in a folder; nothing of it has been copied yet.
#[derive(Debug)]
pub struct Folder {
    pub(super) texts: BTreeMap<String, String>,
    pub(super) tensors: Vec<Stored>,
}

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: HashMap<String, String>,
}

/// Whether the header carries a file of this name.
pub(super) fn is_text(name: &str) -> bool {
    TEXTS.iter().any(|(known, _)| *known == name)
}

impl Folder {
    /// Reads texts and headers.
    ///
    /// # Errors
    /// `MODEL_FILE_NOT_FOUND` for a missing text or shard, `PICKLED_WEIGHTS` where there are no others, `MALFORMED_MODEL` with the
    /// file's name. All name the field `uri`.
    pub fn read(path: &Path) -> Result<Self> {
        let texts = texts(path)?;
        let mut tensors = Vec::new();
        let mut seen = BTreeSet::new();
        for shard in shards(path)? {
            for tensor in header(path, &shard)? {
                if !seen.insert(tensor.name.clone()) {
                    return Err(malformed(&shard, &format!("tensor `{}` is in another shard too", tensor.name)));
                }
                tensors.push(tensor);
            }
        }
        tensors.sort_by(|a, b| (b.info.dtype.bitsize(), &a.name).cmp(&(a.info.dtype.bitsize(), &b.name)));
        Ok(Self { texts, tensors })
    }
}

fn texts(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    for (name, is_required) in TEXTS {
        match text(&folder.join(name)) {
            Ok(text) => drop(texts.insert(name.to_owned(), text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_required => {}
            Err(error) => return Err(unreadable(name, error)),
        }
    }
    Ok(texts)
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_TEXT_BYTES + 1).read_to_string(&mut text)?;
    match text.len() as u64 > MAX_TEXT_BYTES {
        true => Err(io::Error::other(format!("larger than {MAX_TEXT_BYTES} bytes"))),
        false => Ok(text),
    }
}

/// Names of the files that hold the tensors.
fn shards(folder: &Path) -> Result<Vec<String>> {
    if folder.join(WHOLE).is_file() {
        return Ok(vec![WHOLE.to_owned()]);
    }
    let index = match text(&folder.join(INDEX)) {
        Ok(index) => index,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(without_weights(folder)),
        Err(error) => return Err(unreadable(INDEX, error)),
    };
    let index: ShardIndex = serde_json::from_str(&index).map_err(|error| malformed(INDEX, &error.to_string()))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    match names.iter().find(|name| !is_plain(name)) {
        Some(name) => Err(malformed(INDEX, &format!("`{name}` is not the name of a file beside it"))),
        None => Ok(names.into_iter().collect()),
    }
}

fn is_plain(name: &str) -> bool {
    name.ends_with(".safetensors") && !name.contains(['/', '\\', '\0'])
}

fn without_weights(folder: &Path) -> Error {
    match folder.join("pytorch_model.bin").exists() || folder.join("pytorch_model.bin.index.json").exists() {
        true => Error::invalid(
            "PICKLED_WEIGHTS",
            "uri",
            "the folder has pickled weights alone, which are never read; write it again with \
             `save_pretrained(..., safe_serialization=True)`",
        ),
        false => missing(&format!("{WHOLE} or {INDEX}")),
    }
}

/// The tensors of a shard.
fn header(folder: &Path, shard: &str) -> Result<Vec<Stored>> {
    let file = folder.join(shard);
    let (start, metadata) = read_header(&file, shard)?;
    let of = |(name, info): (String, &TensorInfo)| Stored {
        offset: start + info.data_offsets.0 as u64,
        info: info.clone(),
        file: file.clone(),
        name,
    };
    Ok(metadata.tensors().into_iter().map(of).collect())
}

/// Where the data begin, and the header, checked against the size of the file.
pub(super) fn read_header(path: &Path, shard: &str) -> Result<(u64, Metadata)> {
    let bytes = || -> io::Result<(u64, u64, Vec<u8>)> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER_BYTES.min(size) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its header does not fit the file"));
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header)?;
        Ok((size, 8 + length, header))
    };
    let (size, start, header) = bytes().map_err(|error| unreadable(shard, error))?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| malformed(shard, &error.to_string()))?;
    match start + metadata.data_len() as u64 == size {
        true => Ok((start, metadata)),
        false => Err(malformed(shard, "it is not as long as its header says; copy it again")),
    }
}

fn unreadable(name: &str, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound { missing(name) } else { malformed(name, &error.to_string()) }
}

fn missing(name: &str) -> Error {
    Error::invalid(
        "MODEL_FILE_NOT_FOUND",
        "uri",
        format!("the folder has no {name}; copy the whole folder of the model"),
    )
}

fn malformed(name: &str, why: &str) -> Error {
    Error::invalid("MALFORMED_MODEL", "uri", format!("`{name}` of the folder cannot be read: {why}"))
}

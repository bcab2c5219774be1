//! Headers of safetensors and npz files, and streams over the tensors in them. All sizes are checked against the file before
//! anything of that size is allocated; a compressed array may hold exactly what its header says and no more.

use std::fmt::Debug;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use npyz::npz::NpzArchive;
use safetensors::Dtype;
use safetensors::tensor::Metadata;

use crate::domain::Result;

use super::npy;
use super::sample::{unreadable, unreadable_file};

const MAX_HEADER_BYTES: u64 = 16 << 20;
const MAX_TENSORS: usize = 4096;

/// A tensor by its header; little-endian, row-major.
#[derive(Debug, Clone)]
pub(super) struct TensorInfo {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// As the file calls it.
    pub(super) dtype: String,
    pub(super) shape: Vec<u64>,
}

impl TensorInfo {
    fn byte_count(&self) -> Result<u64> {
        let size = self.shape.iter().try_fold(self.kind.byte_count() as u64, |size, axis| size.checked_mul(*axis));
        size.ok_or_else(|| unreadable(&format!("`{}`", self.name), "its shape is too large"))
    }
}

/// Type of the elements, with their size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unsigned(usize),
    Signed(usize),
    Float(usize),
    Other,
}

impl Kind {
    pub(super) fn byte_count(self) -> usize {
        match self {
            Self::Unsigned(size) | Self::Signed(size) | Self::Float(size) => size,
            Self::Other => 1,
        }
    }

    /// An integer of this kind from its bytes; what no i64 holds becomes -1, which is no label.
    pub(super) fn integer(self, bytes: &[u8]) -> i64 {
        let negative = matches!(self, Self::Signed(_)) && bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = [if negative { 0xFF } else { 0 }; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let value = i64::from_le_bytes(wide);
        if matches!(self, Self::Unsigned(_)) { value.max(-1) } else { value }
    }
}

/// A file of named tensors.
pub(super) trait TensorFile: Debug {
    fn tensors(&self) -> &[TensorInfo];

    fn class_names(&self) -> Option<Vec<String>> {
        None
    }

    /// Calls `take` with exactly the bytes of the tensor.
    fn with_data(&self, tensor: &TensorInfo, take: &mut dyn FnMut(&mut dyn Read) -> Result<()>) -> Result<()>;
}

#[derive(Debug)]
pub(super) struct Safetensors {
    path: PathBuf,
    metadata: Metadata,
    data_start: u64,
    tensors: Vec<TensorInfo>,
}

impl Safetensors {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let bad = |why: &str| unreadable("the safetensors file", why);
        let mut file = File::open(path).map_err(|error| unreadable_file("the file", error))?;
        let file_size = file.metadata().map_err(|error| unreadable_file("the file", error))?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|_| bad("it has no header"))?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER_BYTES.min(file_size.saturating_sub(8)) {
            return Err(bad("its header is longer than the file or than 16 MiB"));
        }
        let mut header = Vec::new();
        file.take(length).read_to_end(&mut header).map_err(|error| unreadable_file("the file", error))?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| bad("its header is malformed").with_source(error))?;
        let data_start = 8 + length;
        if metadata.data_len() as u64 != file_size - data_start {
            return Err(bad("it is cut off, or longer than its header says"));
        }
        let tensors = metadata
            .offset_keys()
            .into_iter()
            .filter_map(|name| metadata.info(&name).map(|info| described(name, info)));
        Ok(Self { path: path.to_owned(), data_start, tensors: tensors.collect(), metadata })
    }
}

fn described(name: String, info: &safetensors::tensor::TensorInfo) -> TensorInfo {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a non-exhaustive enum of another crate")]
    let kind = match info.dtype {
        Dtype::U8 => Kind::Unsigned(1),
        Dtype::U16 => Kind::Unsigned(2),
        Dtype::U32 => Kind::Unsigned(4),
        Dtype::U64 => Kind::Unsigned(8),
        Dtype::I8 => Kind::Signed(1),
        Dtype::I16 => Kind::Signed(2),
        Dtype::I32 => Kind::Signed(4),
        Dtype::I64 => Kind::Signed(8),
        Dtype::F32 => Kind::Float(4),
        Dtype::F64 => Kind::Float(8),
        _ => Kind::Other,
    };
    TensorInfo {
        name,
        kind,
        dtype: format!("{:?}", info.dtype),
        shape: info.shape.iter().map(|axis| *axis as u64).collect(),
    }
}

impl TensorFile for Safetensors {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// A JSON list under `class_names` in the file's metadata.
    fn class_names(&self) -> Option<Vec<String>> {
        serde_json::from_str(self.metadata.metadata().as_ref()?.get("class_names")?).ok()
    }

    fn with_data(&self, tensor: &TensorInfo, take: &mut dyn FnMut(&mut dyn Read) -> Result<()>) -> Result<()> {
        let info =
            self.metadata.info(&tensor.name).ok_or_else(|| unreadable("the tensor", "it is not in the header"))?;
        let (start, end) = info.data_offsets;
        let mut file = File::open(&self.path).map_err(|error| unreadable_file("the file", error))?;
        file.seek(SeekFrom::Start(self.data_start + start as u64))
            .map_err(|error| unreadable_file("the file", error))?;
        take(&mut BufReader::with_capacity(1 << 20, file.take((end - start) as u64)))
    }
}

#[derive(Debug)]
pub(super) struct Npz {
    path: PathBuf,
    tensors: Vec<TensorInfo>,
}

impl Npz {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut archive = archive(path)?;
        let mut names: Vec<String> = archive.array_names().map(str::to_owned).collect();
        names.sort();
        names.dedup();
        if names.len() > MAX_TENSORS {
            return Err(unreadable("the npz file", format!("it holds more than {MAX_TENSORS} arrays")));
        }
        let tensors = names.into_iter().map(|name| npz_tensor(&mut archive, name)).collect::<Result<_>>()?;
        Ok(Self { path: path.to_owned(), tensors })
    }
}

fn npz_tensor(archive: &mut Archive, name: String) -> Result<TensorInfo> {
    let what = format!("`{name}`");
    let mut entry = archive.zip_archive().by_name(&entry_name(&name)).map_err(|error| unreadable(&what, error))?;
    let declared = entry.size();
    let (header, header_size) = npy::read_header(&mut entry).map_err(|why| unreadable(&what, why))?;
    let tensor = TensorInfo { name, kind: header.kind, dtype: header.dtype, shape: header.shape };
    let fits = tensor.kind == Kind::Other || tensor.byte_count()?.checked_add(header_size) == Some(declared);
    if fits { Ok(tensor) } else { Err(unreadable(&what, "its size is not what its shape says")) }
}

impl TensorFile for Npz {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn with_data(&self, tensor: &TensorInfo, take: &mut dyn FnMut(&mut dyn Read) -> Result<()>) -> Result<()> {
        let what = format!("`{}`", tensor.name);
        let mut archive = archive(&self.path)?;
        let mut entry =
            archive.zip_archive().by_name(&entry_name(&tensor.name)).map_err(|error| unreadable(&what, error))?;
        npy::read_header(&mut entry).map_err(|why| unreadable(&what, why))?;
        take(&mut BufReader::with_capacity(1 << 20, (&mut entry).take(tensor.byte_count()?)))?;
        // Reading to the end makes the archive's checksum count; one byte more than the shape says is an attack or damage.
        match entry.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(unreadable(&what, "it is longer than its shape says")),
            Err(error) => Err(unreadable(&what, &error).with_source(error)),
        }
    }
}

type Archive = NpzArchive<BufReader<File>>;

fn archive(path: &Path) -> Result<Archive> {
    let file = File::open(path).map_err(|error| unreadable_file("the file", error))?;
    NpzArchive::new(BufReader::new(file)).map_err(|error| unreadable("the npz file", &error).with_source(error))
}

fn entry_name(array: &str) -> String {
    npyz::npz::file_name_from_array_name(array)
}

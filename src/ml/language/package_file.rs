//! Packages as files: a safetensors file whose header carries the texts of the model's folder.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use tch::{Kind, Tensor};

use super::resident::Language;
use super::weights::header_texts;
use crate::domain::disk::io_failed;
use crate::domain::{Error, Result};
use crate::ml::torch::{tensor_bytes, torch_error};

const ALIGNMENT: usize = 8;

/// The header of a file with these tensors one after the other, whose places are filled in, and these texts. The same content gives the
/// same bytes.
pub fn package_header(tensors: Vec<(String, TensorInfo)>, mut texts: HashMap<String, String>) -> Result<Vec<u8>> {
    let mut end = 0;
    let placed = |(name, info): (String, TensorInfo)| {
        let start = end;
        end += info.data_offsets.1 - info.data_offsets.0;
        (name, TensorInfo { data_offsets: (start, end), ..info })
    };
    let tensors = tensors.into_iter().map(placed).collect();
    // transformers reads no safetensors file without it.
    texts.insert("format".to_owned(), "pt".to_owned());
    let failed = |error: &dyn std::fmt::Display| Error::internal(format!("the package has no header: {error}"));
    let metadata = Metadata::new(Some(texts), tensors).map_err(|error| failed(&error))?;
    // By way of a value, whose keys are in order.
    let header = serde_json::to_value(&metadata).and_then(|value| serde_json::to_vec(&value));
    let mut header = header.map_err(|error| failed(&error))?;
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    Ok(header)
}

impl Language {
    /// Writes a package with these weights instead of the model's own.
    pub fn save_with(&self, tensors: &BTreeMap<String, Tensor>, target: &Path) -> Result<()> {
        let infos = tensors.iter().map(|(name, tensor)| Ok((name.clone(), info(tensor)?))).collect::<Result<_>>()?;
        let header = package_header(infos, header_texts(self.path())?)?;
        let write = || {
            let mut file = BufWriter::new(File::create(target)?);
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            for tensor in tensors.values() {
                file.write_all(&tensor_bytes(tensor).map_err(io::Error::other)?)?;
            }
            file.into_inner()?.sync_all()
        };
        write().map_err(|error| {
            // What could not be written takes no room.
            let _absent = std::fs::remove_file(target);
            io_failed("write the weights", error)
        })
    }

    /// The weights with the adapter in them; the model's own where it has none.
    ///
    /// # Errors
    /// `NON_FINITE_ADAPTER`.
    pub fn merged(&self) -> Result<BTreeMap<String, Tensor>> {
        let transposed = self.model().config().has_transposed_weights();
        self.model()
            .tensors()
            .iter()
            .map(|(name, tensor)| Ok((name.clone(), self.merge(name, tensor, transposed)?)))
            .collect()
    }

    fn merge(&self, name: &str, tensor: &Tensor, transposed: bool) -> Result<Tensor> {
        let failed = torch_error("merge an adapter");
        let Some(adapter) = self.adapter() else { return Ok(tensor.shallow_clone()) };
        if let Some(saved) = adapter.saved().get(name) {
            return saved.f_to_kind(tensor.kind()).map_err(failed);
        }
        let Some(path) = name.strip_suffix(".weight") else { return Ok(tensor.shallow_clone()) };
        // GPT-2's lie as `[in, out]`.
        let turned = |tensor: &Tensor| if transposed { tensor.f_tr() } else { Ok(tensor.shallow_clone()) };
        if !adapter.layers().contains_key(path) {
            return Ok(tensor.shallow_clone());
        }
        let merged = adapter.merged(path, &turned(tensor).map_err(&failed)?)?;
        let merged = merged.map(|merged| turned(&merged).and_then(|merged| merged.f_contiguous()));
        merged.unwrap_or_else(|| Ok(tensor.shallow_clone())).map_err(failed)
    }
}

fn info(tensor: &Tensor) -> Result<TensorInfo> {
    let dtype = kinds().into_iter().find(|(_, kind)| *kind == tensor.kind()).map(|(dtype, _)| dtype);
    let dtype = dtype.ok_or_else(|| Error::internal("weights of a type that no file has"))?;
    let shape: Vec<usize> = tensor.size().iter().map(|&size| size as usize).collect();
    let bytes = shape.iter().product::<usize>() * tensor.kind().elt_size_in_bytes();
    Ok(TensorInfo { dtype, shape, data_offsets: (0, bytes) })
}

fn kinds() -> [(Dtype, Kind); 3] {
    [(Dtype::F32, Kind::Float), (Dtype::F16, Kind::Half), (Dtype::BF16, Kind::BFloat16)]
}

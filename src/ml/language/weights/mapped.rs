//! One safetensors file as views on its mapping. Only the header is read here.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use tch::{Device, Kind, TchError, Tensor};

use super::Weights;
use crate::domain::{Error, Result};
use crate::ml::torch::{deep_copy, torch_error};

/// Bytes of the header's length.
const LENGTH: usize = 8;
/// No header is longer.
const LONGEST_HEADER: u64 = 100_000_000;

pub(super) fn map(path: &Path) -> Result<Weights> {
    let (metadata, start, size) = header(path)?;
    let name = path.to_str().ok_or_else(|| Error::internal("the path of a model is not valid UTF-8"))?;
    let bytes = Tensor::f_from_file(name, false, size as i64, (Kind::Uint8, Device::Cpu))
        .map_err(torch_error("map the weights"))?;
    let mut weights = Weights::default();
    for (name, info) in metadata.tensors() {
        let range = range(&name, info, start, size)?;
        match kind(info.dtype) {
            Some(kind) => {
                let tensor = view(&bytes, range, info, kind).map_err(torch_error("view the weights"))?;
                weights.tensors.insert(name, tensor);
            }
            None => {
                weights.others.insert(name, format!("{:?}", info.dtype));
            }
        }
    }
    Ok(weights)
}

/// What the file's header says besides its tensors.
pub(in crate::ml::language) fn header_texts(path: &Path) -> Result<HashMap<String, String>> {
    let (metadata, _, _) = header(path)?;
    Ok(metadata.metadata().clone().unwrap_or_default())
}

/// What the file has, where its tensors begin, and its size.
fn header(path: &Path) -> Result<(Metadata, usize, usize)> {
    let read = || -> io::Result<Option<(Vec<u8>, usize)>> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut length = [0; LENGTH];
        if size < LENGTH as u64 {
            return Ok(None);
        }
        file.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER || length > size - LENGTH as u64 {
            return Ok(None);
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header)?;
        Ok(Some((header, size as usize)))
    };
    let (header, size) = match read() {
        Ok(Some(found)) => found,
        Ok(None) => return Err(malformed()),
        Err(error) => return Err(malformed().with_source(error)),
    };
    let metadata = serde_json::from_slice(&header).map_err(|error| malformed().with_source(error))?;
    Ok((metadata, LENGTH + header.len(), size))
}

/// Where a tensor lies in the file, if it is as large as its shape says.
fn range(name: &str, info: &TensorInfo, start: usize, size: usize) -> Result<Range<usize>> {
    let (first, last) = info.data_offsets;
    let elements = info.shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let bits = elements.and_then(|elements| elements.checked_mul(info.dtype.bitsize()));
    let end = start.checked_add(last).filter(|&end| end <= size && first <= last);
    match (bits, end) {
        (Some(bits), Some(end)) if bits == 8 * (last - first) => Ok(start + first..end),
        (Some(_) | None, Some(_) | None) => {
            let name: String = name.chars().take(80).collect();
            let description = format!("tensor `{name}` does not fit into the file; copy the file again, whole");
            Err(Error::invalid("MALFORMED_MODEL", "uri", description))
        }
    }
}

/// Shares the mapping, which lives as long as the last view. A tensor that lies askew is copied.
fn view(bytes: &Tensor, range: Range<usize>, info: &TensorInfo, kind: Kind) -> Result<Tensor, TchError> {
    let shape: Vec<i64> = info.shape.iter().map(|&size| size as i64).collect();
    let is_straight = range.start.is_multiple_of(kind.elt_size_in_bytes());
    let own = bytes.f_narrow(0, range.start as i64, range.len() as i64)?;
    let own = if is_straight { own } else { deep_copy(&own)? };
    own.f_view_dtype(kind)?.f_view(shape.as_slice())
}

fn kind(dtype: Dtype) -> Option<Kind> {
    let kinds = [(Dtype::F32, Kind::Float), (Dtype::F16, Kind::Half), (Dtype::BF16, Kind::BFloat16)];
    kinds.into_iter().find(|(known, _)| *known == dtype).map(|(_, kind)| kind)
}

fn malformed() -> Error {
    let description = "the file is not a complete safetensors file; export it again with save_pretrained";
    Error::invalid("MALFORMED_MODEL", "uri", description)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes = [(header.len() as u64).to_le_bytes().as_slice(), header.as_bytes(), data].concat();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn values(file: &tempfile::NamedTempFile) -> Vec<f32> {
        let weights = map(file.path()).unwrap();
        Vec::try_from(weights.tensors["a"].shallow_clone()).unwrap()
    }

    #[test]
    fn tensors_are_read_whether_they_lie_straight_or_askew() {
        let data: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut header = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#.to_owned();
        for _ in 0..4 {
            assert_eq!(values(&file(&header, &data)), [1.5, -2.0]);
            header.push(' ');
        }
    }

    #[test]
    fn the_mapping_lives_as_long_as_its_last_view_and_the_file_is_never_written() {
        let file = file(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  "#, &1.0_f32.to_le_bytes());
        let mut tensor = map(file.path()).unwrap().tensors.remove("a").unwrap();
        assert_eq!(tensor.double_value(&[0]), 1.0);
        let _ = tensor.fill_(2.0);
        assert_eq!(tensor.double_value(&[0]), 2.0);
        assert_eq!(values(&file), [1.0]);
    }

    #[test]
    fn files_that_promise_more_than_they_hold_are_refused() {
        for header in [
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,4]}}"#,
            r#"{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,4]}}"#,
            r#"{"a":{"dtype":"F32","shape":[0],"data_offsets":[4,0]}}"#,
            "{",
        ] {
            assert_eq!(map(file(header, &[0; 4]).path()).unwrap_err().reason, "MALFORMED_MODEL", "{header}");
        }
        let short = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(map(short.path()).unwrap_err().reason, "MALFORMED_MODEL");
        std::fs::write(short.path(), [255; 16]).unwrap();
        assert_eq!(map(short.path()).unwrap_err().reason, "MALFORMED_MODEL");
    }
}

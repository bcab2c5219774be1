//! Attributions of many samples as one safetensors file, written as they come: the largest tensor is never in memory.
//!
//! The number of samples is known before, so the header can be written first; `attributions` come first in the file and the small
//! tensors after them, at the end.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::json;

use crate::domain::attribution::Attribution;
use crate::domain::{Error, Result};

/// Shape of the file's tensors: `samples` of `[channels, height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArtefactShape {
    pub samples: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

/// A file under way; without `finish` it is not whole.
#[derive(Debug)]
pub struct ArtefactWriter {
    file: BufWriter<File>,
    shape: ArtefactShape,
    positions: Vec<i64>,
    targets: Vec<i64>,
    outputs: Vec<f64>,
    baseline_outputs: Vec<f64>,
    deltas: Vec<f64>,
}

impl ArtefactWriter {
    /// Creates the file and writes the header. `metadata` names what the numbers are.
    pub fn create(path: &Path, shape: ArtefactShape, metadata: &[(&str, String)]) -> Result<Self> {
        let mut file = BufWriter::new(File::create(path).map_err(failed)?);
        file.write_all(&header(shape, metadata)).map_err(failed)?;
        let empty = || Vec::with_capacity(shape.samples);
        Ok(Self {
            file,
            shape,
            positions: Vec::with_capacity(shape.samples),
            targets: Vec::with_capacity(shape.samples),
            outputs: empty(),
            baseline_outputs: empty(),
            deltas: empty(),
        })
    }

    /// The next sample; `position` in its split.
    pub fn append(&mut self, position: usize, attribution: &Attribution) -> Result<()> {
        let ArtefactShape { channels, height, width, .. } = self.shape;
        debug_assert_eq!(attribution.values.len(), channels * height * width, "attributions fit the header");
        let bytes: Vec<u8> = attribution.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.file.write_all(&bytes).map_err(failed)?;
        self.positions.push(position as i64);
        self.targets.push(i64::from(attribution.target));
        self.outputs.push(attribution.output);
        self.baseline_outputs.push(attribution.baseline_output);
        self.deltas.push(attribution.delta);
        Ok(())
    }

    pub fn finish(mut self) -> Result<()> {
        if self.positions.len() != self.shape.samples {
            return Err(Error::internal("an artefact of attributions is not complete"));
        }
        let integers = self.positions.iter().chain(&self.targets).flat_map(|value| value.to_le_bytes());
        let floats = self.outputs.iter().chain(&self.baseline_outputs).chain(&self.deltas);
        let bytes: Vec<u8> = integers.chain(floats.flat_map(|value| value.to_le_bytes())).collect();
        self.file.write_all(&bytes).and_then(|()| self.file.flush()).map_err(failed)
    }
}

/// Eight bytes of length and a JSON object, padded with spaces to eight bytes, as the format wants it.
fn header(shape: ArtefactShape, metadata: &[(&str, String)]) -> Vec<u8> {
    let ArtefactShape { samples, channels, height, width } = shape;
    let mut entries = serde_json::Map::new();
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    entries.insert("__metadata__".to_owned(), serde_json::Value::Object(metadata));
    let mut offset = 0;
    let mut declare = |name: &str, dtype: &str, size: &[usize], width_bytes: usize| {
        let end = offset + size.iter().product::<usize>() * width_bytes;
        entries.insert(name.to_owned(), json!({"dtype": dtype, "shape": size, "data_offsets": [offset, end]}));
        offset = end;
    };
    declare("attributions", "F32", &[samples, channels, height, width], 4);
    declare("positions", "I64", &[samples], 8);
    declare("targets", "I64", &[samples], 8);
    for name in ["outputs", "baseline_outputs", "deltas"] {
        declare(name, "F64", &[samples], 8);
    }
    let mut text = serde_json::Value::Object(entries).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text);
    bytes
}

fn failed(error: std::io::Error) -> Error {
    Error::internal("failed to write attributions").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads_back_as_safetensors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let shape = ArtefactShape { samples: 2, channels: 1, height: 1, width: 3 };
        let mut writer = ArtefactWriter::create(&path, shape, &[("method", "saliency".into())]).unwrap();
        let attribution = |target| Attribution {
            values: vec![target as f32, 0.5, -1.0],
            channels: 1,
            height: 1,
            width: 3,
            target,
            output: 2.0,
            baseline_output: 1.0,
            delta: 0.25,
            relative_delta: 0.25,
            converged: false,
            is_complete: true,
            steps: 1,
            infidelity: None,
            sensitivity: None,
            is_baseline: false,
        };
        writer.append(7, &attribution(1)).unwrap();
        writer.append(9, &attribution(2)).unwrap();
        writer.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.tensor("attributions").unwrap().shape(), [2, 1, 1, 3]);
        assert_eq!(file.tensor("positions").unwrap().data(), [7_i64.to_le_bytes(), 9_i64.to_le_bytes()].concat());
        assert_eq!(file.tensor("deltas").unwrap().data(), [0.25_f64.to_le_bytes(); 2].concat());
        assert_eq!(file.tensor("attributions").unwrap().data()[..4], 1.0_f32.to_le_bytes());
    }
}

//! Whole sources through ingest and back.

mod cifar10;
mod folders;
mod golden;
mod hostile;
mod selection;
mod store;
mod tables;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::domain::dataset::{DatasetRecord, ImageShape, ImageSource, Pixels};
use crate::domain::model::Resize;
use crate::domain::{Error, Result};

use super::{Dataset, IngestRequest, Limits, Split, ingest_within};

/// A stored dataset and its folder.
struct World {
    folder: TempDir,
    record: DatasetRecord,
}

impl World {
    fn of(path: impl AsRef<Path>) -> Self {
        Self::from(&request(path), &Limits::default()).unwrap()
    }

    fn from(request: &IngestRequest, limits: &Limits) -> Result<Self> {
        let folder = tempfile::tempdir().unwrap();
        let record = ingest_within(request, &folder.path().join("d"), limits, &|done, total| assert!(done <= total))?;
        Ok(Self { folder, record })
    }

    fn stored(&self) -> PathBuf {
        self.folder.path().join("d")
    }

    fn open(&self) -> Dataset {
        Dataset::open(&self.record, &self.stored()).unwrap()
    }
}

fn request(path: impl AsRef<Path>) -> IngestRequest {
    IngestRequest {
        id: "d".parse().unwrap(),
        uri: String::new(),
        path: path.as_ref().to_owned(),
        format: None,
        split: None,
        image_column: None,
        label_column: None,
        class_names: Vec::new(),
    }
}

/// The error of ingesting `path`; nothing of it may stay behind.
fn refusal(path: impl AsRef<Path>) -> Error {
    refusal_within(path, &Limits::default())
}

fn refusal_within(path: impl AsRef<Path>, limits: &Limits) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let error =
        ingest_within(&request(path), &folder.path().join("d"), limits, &|_, _| ()).expect_err("must be refused");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "leftovers after {error}");
    assert!(!error.message.contains("/tmp"), "{error}");
    error
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/datasets").join(name)
}

fn bytes(split: &Split, positions: &[usize], shape: ImageShape) -> Vec<u8> {
    match split.read(positions, shape, Resize::Bilinear).unwrap().pixels {
        Pixels::Bytes(bytes) => bytes,
        Pixels::Floats(_) => panic!("bytes were expected"),
    }
}

fn shape(height: u32, width: u32, channels: u32) -> ImageShape {
    ImageShape { height, width, channels }
}

/// A `.npy` array, version 1.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes(), data].concat()
}

/// An uncompressed zip archive (APPNOTE 6.3.4, 4.3) of the named arrays.
fn npz(folder: &Path, arrays: &[(&str, Vec<u8>)]) -> PathBuf {
    let mut writer = npyz::npz::NpzWriter::create(folder.join("x.npz")).unwrap();
    for (name, data) in arrays {
        let zip = writer.zip_writer();
        zip.start_file(format!("{name}.npy"), Default::default()).unwrap();
        std::io::Write::write_all(zip, data).unwrap();
    }
    drop(writer);
    folder.join("x.npz")
}

//! Damaged and malicious files: each gives an error that names what is wrong, and leaves nothing behind.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::storage::datasets::decode::decode_encoded;
use crate::storage::datasets::sample::Place;

const PLACE: Place = Place::Row { file: None, row: 7 };

fn labels(count: usize) -> (&'static str, Vec<u8>) {
    ("labels", npy("|u1", &format!("({count},)"), &vec![0; count]))
}

fn npz_refusal(images: Vec<u8>, labels: (&str, Vec<u8>)) -> Error {
    let folder = tempfile::tempdir().unwrap();
    refusal(npz(folder.path(), &[("images", images), labels]))
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn truncated(name: &str, keep: impl Fn(usize) -> usize) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(golden(name)).unwrap();
    let path = folder.path().join(name);
    fs::write(&path, &bytes[..keep(bytes.len())]).unwrap();
    refusal(path)
}

#[test]
fn cut_off_files_are_refused() {
    for name in ["uniform.parquet", "pixels.npz", "pixels.safetensors"] {
        for keep in [|_| 0, |_| 3, |length| length / 2, |length| length - 1] {
            assert_eq!(truncated(name, keep).reason, "UNREADABLE_DATASET", "{name}");
        }
    }
    assert_eq!(truncated("pixels.csv", |length| length - 20).reason, "UNREADABLE_DATASET");
}

#[test]
fn corrupt_images_are_named_by_row() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    fs::write(folder.path().join("a/bad.png"), "not an image").unwrap();
    let error = refusal(folder.path());
    assert_eq!(error.reason, "CORRUPT_IMAGE");
    assert!(error.message.contains("`a/bad.png`"), "{error}");
}

/// The JPEG and PNG files of a golden Parquet file.
fn encoded_images() -> Vec<Vec<u8>> {
    use crate::storage::datasets::parquet::{AskedColumns, ParquetFiles};
    use crate::storage::datasets::sample::{RawImage, Reader};
    let asked = AskedColumns { image: None, label: None };
    let mut images = Vec::new();
    for name in ["uniform.parquet", "mixed.parquet"] {
        let files = ParquetFiles::open(&golden(name), None, asked, &Limits::default()).unwrap();
        let read = files.read(&mut |_, batch| {
            images.extend(batch.into_iter().filter_map(|sample| match sample.image {
                RawImage::Encoded(bytes) => Some(bytes),
                RawImage::File(_) | RawImage::Plain(_) => None,
            }));
            Ok(())
        });
        assert!(read.is_ok());
    }
    images
}

#[test]
fn cut_off_images_are_corrupt() {
    for image in encoded_images() {
        for keep in [0, 1, 20, image.len() / 2, image.len() - 40] {
            let error = decode_encoded(&image[..keep], &Limits::default(), &PLACE).unwrap_err();
            assert_eq!(error.reason, "CORRUPT_IMAGE", "{keep} of {}", image.len());
            assert!(error.message.contains("row 7"), "{error}");
        }
    }
}

#[test]
fn decompression_bombs_are_refused_by_their_header() {
    let mut png = encoded_images().into_iter().find(|image| image.starts_with(b"\x89PNG")).unwrap();
    png[16..24].copy_from_slice(&[0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF]);
    let checksum = crc32(&png[12..29]).to_be_bytes();
    png[29..33].copy_from_slice(&checksum);
    assert_eq!(decode_encoded(&png, &Limits::default(), &PLACE).unwrap_err().reason, "IMAGE_TOO_LARGE");
    let tiny = Limits { image_pixels: 10, ..Limits::default() };
    assert_eq!(refusal_within(golden("uniform.parquet"), &tiny).reason, "IMAGE_TOO_LARGE");
    let tiny = Limits { encoded_image_bytes: 10, ..Limits::default() };
    assert_eq!(refusal_within(golden("uniform.parquet"), &tiny).reason, "IMAGE_TOO_LARGE");
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 })
    })
}

#[test]
fn bounds_on_samples_and_bytes_hold() {
    for name in ["uniform.parquet", "pixels.npz", "pixels.safetensors", "pixels.csv"] {
        let few = Limits { samples: 3, ..Limits::default() };
        assert_eq!(refusal_within(golden(name), &few).reason, "DATASET_TOO_LARGE", "{name}");
        let small = Limits { stored_bytes: 60, ..Limits::default() };
        assert_eq!(refusal_within(golden(name), &small).reason, "DATASET_TOO_LARGE", "{name}");
    }
    let one = Limits { splits: 1, ..Limits::default() };
    assert_eq!(refusal_within(golden("pixels.csv"), &one).reason, "TOO_MANY_SPLITS");
    let narrow = Limits { columns: 0, ..Limits::default() };
    assert_eq!(refusal_within(golden("pixels.csv"), &narrow).reason, "TOO_MANY_COLUMNS");
}

#[test]
fn npz_bombs_are_refused() {
    let huge = |shape: &str| npz_refusal(npy("|u1", shape, &[0; 16]), labels(1)).reason;
    assert_eq!(huge("(1, 1000000, 1000000)"), "UNREADABLE_DATASET");
    assert_eq!(huge("(18446744073709551615, 18446744073709551615, 2)"), "UNREADABLE_DATASET");
    assert_eq!(huge("(1, 2, 2)"), "UNREADABLE_DATASET");
    assert_eq!(huge("(1, 4, 4, 4, 4, 4, 4, 4)"), "UNREADABLE_DATASET");
    // Well-formed, but far wider than an image may be.
    assert_eq!(npz_refusal(npy("|u1", "(1, 1, 20000)", &[0; 20_000]), labels(1)).reason, "IMAGE_TOO_LARGE");
}

#[test]
fn tensors_of_the_wrong_kind_are_refused() {
    let one = |descr: &str, shape: &str, data: &[u8]| npz_refusal(npy(descr, shape, data), labels(1)).reason;
    assert_eq!(one("<i2", "(1, 2, 2)", &[0; 8]), "WRONG_DTYPE");
    assert_eq!(one(">f4", "(1, 2, 2)", &[0; 16]), "UNREADABLE_DATASET");
    assert_eq!(one("|u1", "(1, 4)", &[0; 4]), "WRONG_SHAPE");
    assert_eq!(one("|u1", "(1, 2, 2, 2)", &[0; 8]), "WRONG_SHAPE");
    assert_eq!(one("|u1", "(2, 2, 2)", &[0; 8]), "LENGTH_MISMATCH");
    assert_eq!(one("|u1", "(1, 0, 2)", &[]), "IMAGE_TOO_LARGE");
    let image = || npy("|u1", "(1, 2, 2)", &[0; 4]);
    assert_eq!(npz_refusal(image(), ("labels", npy("<f4", "(1,)", &[0; 4]))).reason, "WRONG_DTYPE");
    assert_eq!(npz_refusal(image(), ("labels", npy("<i8", "(1,)", &[0xFF; 8]))).reason, "LABEL_OUT_OF_RANGE");
    assert_eq!(npz_refusal(image(), ("labels", npy("<u8", "(1,)", &[0xFF; 8]))).reason, "LABEL_OUT_OF_RANGE");
    assert_eq!(npz_refusal(image(), ("label", npy("|u1", "(1,)", &[0]))).reason, "TENSOR_NOT_FOUND");
    assert_eq!(npz_refusal(npy("|u1", "(0, 2, 2)", &[]), labels(0)).reason, "EMPTY_DATASET");
}

#[test]
fn floats_outside_the_unit_interval_are_named_by_position() {
    let image = |value: f32| npy("<f4", "(1, 1, 2, 3)", &floats(&[0.0, 1.0, 0.5, 0.5, value, 0.0]));
    let error = npz_refusal(image(f32::NAN), labels(1));
    assert_eq!(error.reason, "NON_FINITE_PIXELS");
    assert!(error.message.contains("`images[0]` at row 0, column 1, channel 1"), "{error}");
    let error = npz_refusal(image(16.0), labels(1));
    assert_eq!(error.reason, "PIXEL_OUT_OF_RANGE");
    assert!(error.message.contains("divide"), "{error}");
}

#[test]
fn planar_and_interleaved_tensors_are_the_same_images() {
    let folder = tempfile::tempdir().unwrap();
    let planar: Vec<u8> = (0..12).collect();
    let interleaved = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11];
    let first = World::of(npz(folder.path(), &[("images", npy("|u1", "(1, 3, 2, 2)", &planar)), labels(1)]));
    let second = World::of(npz(folder.path(), &[("images", npy("|u1", "(1, 2, 2, 3)", &interleaved)), labels(1)]));
    assert_eq!(first.record.content_hash, second.record.content_hash);
    assert_eq!(bytes(&first.open().split("").unwrap(), &[0], shape(2, 2, 3)), interleaved);
}

#[test]
fn unknown_formats_and_columns_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pickle");
    fs::write(&path, "x").unwrap();
    assert_eq!(refusal(&path).reason, "UNKNOWN_DATASET_FORMAT");
    let asked = IngestRequest { image_column: Some("nope".into()), ..request(golden("uniform.parquet")) };
    let error = World::from(&asked, &Limits::default()).err().unwrap();
    assert_eq!((error.reason, error.violations[0].field.as_str()), ("COLUMN_NOT_FOUND", "image_column"));
    assert!(error.message.contains("`img`"), "{error}");
    let short = IngestRequest { class_names: vec!["a".into(), "b".into()], ..request(golden("uniform.parquet")) };
    assert_eq!(World::from(&short, &Limits::default()).err().unwrap().reason, "LABEL_OUT_OF_RANGE");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn damaged_files_never_panic_or_leave_anything(
        name in prop::sample::select(vec!["uniform.parquet", "mixed.parquet", "pixels.npz", "pixels.safetensors", "pixels.csv"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = fs::read(golden(name)).unwrap();
        for (index, byte) in damage {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let target = folder.path().join("out/d");
        let small = Limits { samples: 100, stored_bytes: 1 << 20, ..Limits::default() };
        match ingest_within(&request(&path), &target, &small, &|_, _| ()) {
            Ok(record) => {
                let dataset = Dataset::open(&record, &target).unwrap();
                for split in &record.splits {
                    let split = dataset.split(&split.name).unwrap();
                    let all: Vec<usize> = (0..split.len()).collect();
                    split.read(&all, shape(8, 8, 3), Resize::Bilinear).unwrap();
                }
            }
            Err(error) => {
                prop_assert!(!error.message.contains("/tmp"), "{}", error);
                prop_assert!(!target.exists());
            }
        }
    }
}

//! The stored form: both layouts, damage, names of splits.

use std::fs;

use super::*;
use crate::domain::ErrorKind;

#[test]
fn the_layout_changes_neither_hash_nor_pixels() {
    let plain = World::of(golden("uniform.parquet"));
    let encoded =
        World::from(&request(golden("uniform.parquet")), &Limits { decoded_bytes: 100, ..Limits::default() }).unwrap();
    assert_eq!(plain.record.content_hash, encoded.record.content_hash);
    assert_eq!(plain.record.image_shape, encoded.record.image_shape);
    assert!(encoded.stored().join("0.images.offsets").exists());
    assert!(encoded.record.size_bytes < plain.record.size_bytes + 4096);
    let (plain, encoded) = (plain.open().split("").unwrap(), encoded.open().split("").unwrap());
    assert_eq!(plain.key(), encoded.key());
    for wanted in [shape(16, 16, 3), shape(8, 9, 3), shape(20, 20, 1)] {
        assert_eq!(bytes(&plain, &[3, 4, 5, 0], wanted), bytes(&encoded, &[3, 4, 5, 0], wanted), "{wanted}");
    }
}

#[test]
fn other_sizes_are_refused_unless_resizing_is_asked_for() {
    let split = World::of(golden("uniform.parquet")).open().split("").unwrap();
    let error = split.read(&[2], shape(32, 32, 3), Resize::None).unwrap_err();
    assert_eq!(error.reason, "IMAGE_SIZE_MISMATCH");
    assert!(error.message.contains("16x16") && error.message.contains("BILINEAR"), "{error}");
    assert_eq!(split.read(&[2], shape(16, 16, 1), Resize::None).unwrap().shape.channels, 1);
    assert_eq!(split.read(&[8], shape(16, 16, 3), Resize::None).unwrap_err().reason, "INDEX_OUT_OF_RANGE");
    assert_eq!(split.read(&[0], shape(16, 16, 4), Resize::None).unwrap_err().reason, "UNSUPPORTED_IMAGE_SHAPE");
    assert_eq!(split.read(&[], shape(16, 16, 3), Resize::None).unwrap().count, 0);
}

#[test]
fn damage_is_found() {
    let world = World::of(golden("uniform.parquet"));
    world.open().verify().unwrap();
    for (name, found_by_open) in [("0.images", false), ("0.labels", false), ("manifest.json", true)] {
        let path = world.stored().join(name);
        let whole = fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        damaged[5] ^= 1;
        fs::write(&path, &damaged).unwrap();
        match Dataset::open(&world.record, &world.stored()) {
            Ok(dataset) => assert_eq!(dataset.verify().unwrap_err().kind, ErrorKind::DataLoss, "{name}"),
            Err(error) => assert!(found_by_open, "{name}: {error}"),
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(Dataset::open(&world.record, &world.stored()).unwrap_err().kind, ErrorKind::DataLoss, "{name}");
        fs::write(&path, &whole).unwrap();
    }
    let other = DatasetRecord { content_hash: "0".repeat(64), ..world.record.clone() };
    assert_eq!(Dataset::open(&other, &world.stored()).unwrap_err().kind, ErrorKind::DataLoss);
}

#[test]
fn labels_are_checked_before_they_are_used() {
    let world = World::of(golden("uniform.parquet"));
    let path = world.stored().join("0.labels");
    let mut labels = fs::read(&path).unwrap();
    labels[0] ^= 1;
    fs::write(&path, labels).unwrap();
    assert_eq!(world.open().split("").unwrap_err().reason, "DATASET_DAMAGED");
}

#[test]
fn splits_are_found_by_name_role_or_alone() {
    let world = World::of(golden("pixels.npz"));
    let dataset = world.open();
    assert_eq!(dataset.split_for("", "test").unwrap().name(), "test");
    assert_eq!(dataset.split_for("train", "test").unwrap().name(), "train");
    let error = dataset.split("").unwrap_err();
    assert_eq!(error.message, "split: must be stated; datasets/d has `test`, `train`");
    assert_eq!(dataset.split("dev").unwrap_err().reason, "UNKNOWN_SPLIT");
    let named = IngestRequest { split: Some("validation".into()), ..request(golden("uniform.parquet")) };
    assert_eq!(World::from(&named, &Limits::default()).unwrap().open().split("").unwrap().name(), "validation");
}

#[test]
fn a_folder_of_parquet_files_has_a_split_a_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test.parquet"] {
        fs::copy(golden("uniform.parquet"), folder.path().join(name)).unwrap();
    }
    let record = World::of(folder.path()).record;
    let splits: Vec<_> = record.splits.iter().map(|split| (split.name.as_str(), split.sample_count)).collect();
    assert_eq!(splits, [("test", 8), ("train", 16)]);
}

#[test]
fn an_existing_dataset_is_not_overwritten() {
    let world = World::of(golden("pixels.npz"));
    let again = ingest_within(&request(golden("uniform.parquet")), &world.stored(), &Limits::default(), &|_, _| ());
    assert_eq!(again.unwrap_err().kind, ErrorKind::AlreadyExists);
    world.open().verify().unwrap();
}

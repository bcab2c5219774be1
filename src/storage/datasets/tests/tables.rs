//! Parquet files that are not quite Hugging Face's, written as the tests run.

use std::fs::File;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, BooleanArray, Int64Array, RecordBatch, StringArray, UInt8Array};
use parquet::arrow::ArrowWriter;

use super::*;

/// A 2x2 grey PNG.
fn png(value: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_pixel(2, 2, image::Luma([value])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn pictures(count: u8) -> ArrayRef {
    Arc::new(BinaryArray::from_iter_values((0..count).map(png)))
}

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Ingests one table.
fn table(columns: Vec<(&str, ArrayRef)>) -> Result<World> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    write(&path, columns);
    World::from(&request(path), &Limits::default())
}

#[test]
fn bare_bytes_and_text_labels_are_understood() {
    let labels = StringArray::from(vec!["dog", "cat", "dog"]);
    let sunny = BooleanArray::from(vec![true, false, true]);
    let world = table(vec![("photo", pictures(3)), ("label", Arc::new(labels)), ("sunny", Arc::new(sunny))]).unwrap();
    assert_eq!(world.record.class_names, ["cat", "dog"]);
    assert_eq!(world.record.columns, ["sunny"]);
    let split = world.open().split("train").unwrap();
    assert_eq!(split.labels(), [1, 0, 1]);
    assert_eq!(bytes(&split, &[2, 0], shape(2, 2, 1)), [2, 2, 2, 2, 0, 0, 0, 0]);
}

#[test]
fn cifar100s_fine_labels_are_the_classes() {
    let (coarse, fine) = (Int64Array::from(vec![7, 8]), UInt8Array::from(vec![1, 0]));
    let world =
        table(vec![("img", pictures(2)), ("coarse_label", Arc::new(coarse)), ("fine_label", Arc::new(fine))]).unwrap();
    assert_eq!(world.open().split("").unwrap().labels(), [1, 0]);
    assert_eq!(world.record.columns, ["coarse_label"]);
}

#[test]
fn rows_without_image_or_label_are_named() {
    let labels = || Arc::new(Int64Array::from(vec![0, 0])) as ArrayRef;
    let broken = BinaryArray::from_opt_vec(vec![Some(b"x".as_slice()), None]);
    let error = table(vec![("img", Arc::new(broken)), ("label", labels())]).err().unwrap();
    assert_eq!(error.reason, "IMAGE_NOT_FOUND");
    assert!(error.message.contains("row 1"), "{error}");
    let error =
        table(vec![("img", pictures(2)), ("label", Arc::new(Int64Array::from(vec![Some(0), None])))]).err().unwrap();
    assert_eq!(error.message, "row 1 has no label");
    assert_eq!(table(vec![("img", pictures(2)), ("n", labels())]).err().unwrap().reason, "COLUMN_NOT_FOUND");
    assert_eq!(table(vec![("label", labels())]).err().unwrap().reason, "COLUMN_NOT_FOUND");
    assert_eq!(
        table(vec![("img", pictures(0)), ("label", Arc::new(Int64Array::from(Vec::<i64>::new())))])
            .err()
            .unwrap()
            .reason,
        "EMPTY_DATASET"
    );
}

#[test]
fn files_of_a_folder_must_have_the_same_columns() {
    let folder = tempfile::tempdir().unwrap();
    let labels = Arc::new(Int64Array::from(vec![0])) as ArrayRef;
    write(&folder.path().join("train.parquet"), vec![("img", pictures(1)), ("label", Arc::clone(&labels))]);
    write(&folder.path().join("test.parquet"), vec![("img", pictures(1)), ("fine", labels)]);
    let error = refusal(folder.path());
    assert_eq!(error.reason, "COLUMN_NOT_FOUND");
}

//! Image folders and CSV files with paths, made as the tests run.

use std::fs;
use std::os::unix::fs::symlink;

use image::{GrayImage, Luma};

use super::*;

/// A grey PNG whose every pixel is `value`.
fn png(path: impl AsRef<Path>, value: u8) {
    fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    GrayImage::from_pixel(4, 3, Luma([value])).save(path).unwrap();
}

fn first_pixels(split: &Split) -> Vec<u8> {
    let all: Vec<usize> = (0..split.len()).collect();
    bytes(split, &all, shape(3, 4, 1)).into_iter().step_by(12).collect()
}

#[test]
fn a_folder_of_classes_is_one_split() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [("dog/b.png", 2), ("dog/a.PNG", 1), ("cat/x.png", 3), ("cat/.hidden.png", 9)] {
        png(folder.path().join(name), value);
    }
    fs::write(folder.path().join("dog/notes.txt"), "no image").unwrap();
    let world = World::of(folder.path());
    assert_eq!(world.record.class_names, ["cat", "dog"]);
    let split = world.open().split("train").unwrap();
    assert_eq!(split.labels(), [0, 1, 1]);
    assert_eq!(first_pixels(&split), [3, 1, 2]);
}

#[test]
fn a_folder_of_splits_shares_the_classes() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [("train/b/1.png", 1), ("train/c/1.png", 2), ("test/a/1.png", 3)] {
        png(folder.path().join(name), value);
    }
    let world = World::of(folder.path());
    assert_eq!(world.record.class_names, ["a", "b", "c"]);
    assert_eq!(world.open().split_for("", "test").unwrap().labels(), [0]);
    assert_eq!(world.open().split("train").unwrap().labels(), [1, 2]);
    let one = World::from(&IngestRequest { split: Some("test".into()), ..request(folder.path()) }, &Limits::default())
        .unwrap();
    assert_eq!(one.record.splits.len(), 1);
    let none = World::from(&IngestRequest { split: Some("dev".into()), ..request(folder.path()) }, &Limits::default());
    assert_eq!(none.err().unwrap().reason, "UNKNOWN_SPLIT");
}

#[test]
fn class_names_of_the_request_give_the_order() {
    let folder = tempfile::tempdir().unwrap();
    png(folder.path().join("a/1.png"), 1);
    png(folder.path().join("b/1.png"), 2);
    let ordered = |names: &[&str]| IngestRequest {
        class_names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..request(folder.path())
    };
    let world = World::from(&ordered(&["b", "z", "a"]), &Limits::default()).unwrap();
    assert_eq!(world.record.splits[0].class_counts, [1, 0, 1]);
    assert_eq!(world.open().split("").unwrap().labels(), [2, 0]);
    let reason = |names: &[&str]| World::from(&ordered(names), &Limits::default()).err().unwrap().reason;
    assert_eq!(reason(&["b", "z"]), "UNKNOWN_LABEL");
    for third in ["a", "", "c\n", &"c".repeat(257)] {
        assert_eq!(reason(&["a", "b", third]), "INVALID_CLASS_NAME");
    }
}

#[test]
fn folders_that_would_lose_samples_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    png(folder.path().join("a/1.png"), 1);
    symlink("/etc/hostname", folder.path().join("a/2.png")).unwrap();
    assert_eq!(refusal(folder.path()).reason, "SYMBOLIC_LINK");
    fs::rename(folder.path().join("a/2.png"), folder.path().join("a/2.webp")).unwrap();
    fs::remove_file(folder.path().join("a/2.webp")).unwrap();
    fs::write(folder.path().join("a/2.webp"), "x").unwrap();
    assert_eq!(refusal(folder.path()).reason, "UNSUPPORTED_IMAGE");
    let flat = tempfile::tempdir().unwrap();
    png(flat.path().join("1.png"), 1);
    assert_eq!(refusal(flat.path()).reason, "INVALID_IMAGE_FOLDER");
    assert_eq!(refusal(tempfile::tempdir().unwrap().path()).reason, "EMPTY_DATASET");
}

#[test]
fn csv_paths_are_relative_and_labels_may_be_names() {
    let folder = tempfile::tempdir().unwrap();
    png(folder.path().join("img/1.png"), 1);
    png(folder.path().join("img/2.png"), 2);
    let csv = folder.path().join("train.csv");
    fs::write(&csv, "path,label,site\nimg/2.png,dog,x\nimg/1.png,cat,\"a,b\"\n").unwrap();
    let world = World::of(&csv);
    assert_eq!(
        (world.record.class_names.as_slice(), world.record.columns.as_slice()),
        (["cat".to_owned(), "dog".into()].as_slice(), ["site".to_owned()].as_slice())
    );
    let split = world.open().split("train").unwrap();
    assert_eq!((split.labels(), first_pixels(&split)), ([1, 0].as_slice(), vec![2, 1]));
}

#[test]
fn csv_paths_do_not_leave_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    png(folder.path().join("secret.png"), 1);
    fs::create_dir(folder.path().join("in")).unwrap();
    symlink(folder.path().join("secret.png"), folder.path().join("in/link.png")).unwrap();
    let csv = folder.path().join("in/x.csv");
    let absolute = folder.path().join("secret.png").display().to_string();
    let mut messages = std::collections::HashSet::new();
    for path in ["../secret.png", "link.png", "../missing.png", "missing.png", &absolute] {
        fs::write(&csv, format!("path,label\n{path},0\n")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let error =
            ingest_within(&request(&csv), &folder.path().join("d"), &Limits::default(), &|_, _| ()).unwrap_err();
        assert_eq!(error.reason, "IMAGE_NOT_FOUND", "{path}");
        messages.insert(error.message.replace(path, "PATH"));
    }
    assert_eq!(messages.len(), 1, "the message must not tell what exists");
}

#[test]
fn csv_pixels_are_bytes_or_floats() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("mnist.csv");
    let ingest = |text: &str| {
        fs::write(&csv, text).unwrap();
        World::from(&request(&csv), &Limits::default())
    };
    let world = ingest("label,1x1,1x2,2x1,2x2\n1,0,1,2,255\n").unwrap();
    assert_eq!(bytes(&world.open().split("").unwrap(), &[0], shape(2, 2, 1)), [0, 1, 2, 255]);
    let world = ingest("label,pixel0,pixel1,pixel2,pixel3\n0,0,0.5,1,1e-1\n").unwrap();
    let batch = world.open().split("").unwrap().read(&[0], shape(2, 2, 1), Resize::None).unwrap();
    let Pixels::Floats(floats) = batch.pixels else { panic!("floats were expected") };
    assert_eq!(floats, [0.0, 0.5, 1.0, 0.1]);
    for (text, reason) in [
        ("label,p0\n0,256\n", "PIXEL_OUT_OF_RANGE"),
        ("label,p0\n0,-1\n", "PIXEL_OUT_OF_RANGE"),
        ("label,p0\n0,16.0\n", "PIXEL_OUT_OF_RANGE"),
        ("label,p0\n0,NaN\n", "NON_FINITE_PIXELS"),
        ("label,p0\n0,inf\n", "NON_FINITE_PIXELS"),
        ("label,p0,p1\n0,1,2\n", "NOT_SQUARE"),
        ("5,0,0\n", "COLUMN_NOT_FOUND"),
        ("label,p0\n0\n", "UNREADABLE_DATASET"),
        ("label,p0\n-1,0\n", "LABEL_OUT_OF_RANGE"),
        ("label,p0\n", "EMPTY_DATASET"),
        ("", "COLUMN_NOT_FOUND"),
    ] {
        assert_eq!(ingest(text).err().unwrap().reason, reason, "{text:?}");
    }
}

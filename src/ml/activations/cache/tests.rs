//! The activation cache: hits, damage, and staying within its bound.

use tch::{Device, Tensor};

use super::*;
use crate::domain::finetune::Precision;
use crate::domain::model::{Layout, Preprocessing, Resize};

fn key(name: &str) -> ActivationKey {
    let (mean, std) = (Vec::new(), Vec::new());
    let preprocessing =
        Preprocessing { height: 1, width: 1, channels: 1, mean, std, layout: Layout::Nchw, resize: Resize::None };
    ActivationKey::new("prefix", "embed", name, &preprocessing, Precision::F32).unwrap()
}

/// Ten rows of four values: 160 bytes.
fn fill(cache: &ActivationCache, name: &str) -> Features {
    let mut writer = cache.writer(&key(name), 10, 4).unwrap();
    let values = Tensor::arange(40, (tch::Kind::Float, Device::Cpu)).view([10, 4]);
    writer.append(&values.narrow(0, 0, 7)).unwrap();
    writer.append(&values.narrow(0, 7, 3)).unwrap();
    writer.finish().unwrap()
}

fn open(directory: &Path, max_bytes: u64) -> ActivationCache {
    ActivationCache::new(directory, max_bytes).unwrap()
}

#[test]
fn what_was_written_is_found_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    fill(&open(directory.path(), 1000), "a");
    let features = open(directory.path(), 1000).open(&key("a")).unwrap();
    assert_eq!((features.rows(), features.dim()), (10, 4));
    assert_eq!(features.tensor().double_value(&[9, 3]), 39.0);
    assert!(open(directory.path(), 1000).open(&key("b")).is_none());
}

#[test]
fn the_least_recently_used_gives_way_and_those_in_use_stay() {
    let directory = tempfile::tempdir().unwrap();
    let cache = open(directory.path(), 320);
    let held = fill(&cache, "a");
    drop(fill(&cache, "b"));
    drop(fill(&cache, "c"));
    assert!(cache.open(&key("b")).is_none(), "b was free and is gone");
    assert!(cache.open(&key("a")).is_some(), "a is older but in use");
    drop(held);
    drop(cache.open(&key("c")));
    drop(fill(&cache, "d"));
    assert!(cache.open(&key("a")).is_none());
    assert!(cache.open(&key("c")).is_some());
    assert!(cache.used_bytes() <= 320);
}

#[test]
fn what_does_not_fit_stays_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let cache = open(directory.path(), 100);
    let features = fill(&cache, "a");
    assert_eq!(features.tensor().double_value(&[9, 3]), 39.0);
    assert_eq!(cache.used_bytes(), 0);
    assert!(cache.open(&key("a")).is_none());
}

#[test]
fn damaged_and_unfinished_files_are_computed_again() {
    let directory = tempfile::tempdir().unwrap();
    fill(&open(directory.path(), 1000), "a");
    let data = directory.path().join(format!("{}.f32", key("a").digest()));
    let mut bytes = fs::read(&data).unwrap();
    bytes[17] ^= 1;
    fs::write(&data, &bytes).unwrap();
    let cache = open(directory.path(), 1000);
    assert!(cache.open(&key("a")).is_none());
    assert!(!data.exists());

    drop(cache.writer(&key("b"), 10, 4).unwrap());
    fs::write(directory.path().join("x.partial"), b"half").unwrap();
    assert!(open(directory.path(), 1000).open(&key("b")).is_none());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);

    fill(&cache, "c");
    fs::write(directory.path().join(format!("{}.f32", key("c").digest())), &bytes[1..]).unwrap();
    assert!(cache.open(&key("c")).is_none());
}

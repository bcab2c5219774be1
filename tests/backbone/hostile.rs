//! Files from outside that are wrong are refused with a reason, and nothing crashes.

use std::collections::HashMap;
use std::path::PathBuf;

use safetensors::tensor::{Dtype, TensorView};
use tch::Device;
use unlearnd::domain::model::{ModelFormat, ModelSpec};
use unlearnd::domain::{Error, ErrorKind};
use unlearnd::ml::backbone::{Backbone, BnMode};

use crate::support::{golden_model, images, largest_difference, logits, spec, torchscript};

/// Tensors of a file that a test spoils: name, type, shape, bytes.
type Tensors = Vec<(String, Dtype, Vec<usize>, Vec<u8>)>;

fn digits() -> ModelSpec {
    spec("small_cnn", 10, 1, 8)
}

fn tensors() -> Tensors {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    golden_model(&digits()).save(&path, ModelFormat::Safetensors).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let copy =
        |(name, view): (&str, TensorView)| (name.to_owned(), view.dtype(), view.shape().to_vec(), view.data().to_vec());
    let mut tensors: Tensors = file.iter().map(copy).collect();
    tensors.sort_by(|left, right| left.0.cmp(&right.0));
    tensors
}

fn serialise(tensors: &Tensors) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None::<HashMap<String, String>>).unwrap()
}

fn load(bytes: &[u8], spec: &ModelSpec) -> Result<Backbone, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret-folder-name");
    std::fs::write(&path, bytes).unwrap();
    let loaded = Backbone::load(&path, spec, Device::Cpu);
    if let Err(error) = &loaded {
        assert!(!error.message.contains("secret-folder-name"), "{error}");
    }
    loaded
}

fn load_spoilt(spoil: impl FnOnce(&mut Tensors)) -> Result<Backbone, Error> {
    let mut tensors = tensors();
    spoil(&mut tensors);
    load(&serialise(&tensors), &digits())
}

fn refusal(spoil: impl FnOnce(&mut Tensors)) -> Error {
    let error = load_spoilt(spoil).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    error
}

fn at<'a>(tensors: &'a mut Tensors, name: &str) -> &'a mut (String, Dtype, Vec<usize>, Vec<u8>) {
    tensors.iter_mut().find(|tensor| tensor.0 == name).unwrap()
}

#[test]
fn missing_and_unexpected_tensors_are_named() {
    let error = refusal(|tensors| tensors.retain(|tensor| tensor.0 != "fc.bias"));
    assert_eq!(error.reason, "MISSING_TENSOR");
    assert!(error.message.contains("`fc.bias`"), "{error}");
    let error = refusal(|tensors| tensors.push(("fc2.bias".to_owned(), Dtype::F32, vec![1], vec![0; 4])));
    assert_eq!(error.reason, "UNEXPECTED_TENSOR");
    assert!(error.message.contains("`fc2.bias`"), "{error}");
}

#[test]
fn wrong_shapes_and_types_are_named_with_both_sides() {
    let error = refusal(|tensors| at(tensors, "fc.weight").2 = vec![128, 10]);
    assert_eq!(error.reason, "TENSOR_SHAPE_MISMATCH");
    assert!(error.message.contains("[128, 10]") && error.message.contains("[10, 128]"), "{error}");
    let error = refusal(|tensors| {
        let tensor = at(tensors, "fc.bias");
        (tensor.1, tensor.3) = (Dtype::F64, vec![0; 80]);
    });
    assert_eq!(error.reason, "TENSOR_TYPE_MISMATCH");
    assert!(error.message.contains("F64") && error.message.contains("F32"), "{error}");
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = refusal(|tensors| at(tensors, "conv2.weight").3[..4].copy_from_slice(&value.to_le_bytes()));
        assert_eq!(error.reason, "NON_FINITE_WEIGHTS");
        assert!(error.message.contains("conv2.weight"), "{error}");
    }
}

#[test]
fn wrapper_prefixes_and_missing_batch_counts_are_forgiven() {
    let expected = logits(&golden_model(&digits()), &images(2, &digits()));
    for prefix in ["module.", "_orig_mod."] {
        let model = load_spoilt(|tensors| {
            tensors.retain(|tensor| !tensor.0.ends_with("num_batches_tracked"));
            tensors.iter_mut().for_each(|tensor| tensor.0.insert_str(0, prefix));
        });
        let found = logits(&model.unwrap(), &images(2, &digits()));
        assert_eq!(largest_difference(&found, &expected), 0.0);
    }
}

#[test]
fn the_class_count_is_read_from_the_head() {
    let bytes = serialise(&tensors());
    assert_eq!(load(&bytes, &spec("small_cnn", 0, 1, 8)).unwrap().class_count(), 10);
    assert_eq!(load(&bytes, &spec("small_cnn", 9, 1, 8)).unwrap_err().reason, "TENSOR_SHAPE_MISMATCH");
}

#[test]
fn truncated_and_random_files_are_malformed() {
    let bytes = serialise(&tensors());
    for length in [1, 7, 8, 9, 100, bytes.len() / 2, bytes.len() - 1] {
        assert_eq!(load(&bytes[..length], &digits()).unwrap_err().reason, "MALFORMED_MODEL", "{length}");
    }
    assert_eq!(load(&[], &digits()).unwrap_err().reason, "MALFORMED_MODEL");
    assert_eq!(load(&[0xff; 4096], &digits()).unwrap_err().reason, "MALFORMED_MODEL");
    let huge = vec![0; 3 << 20];
    let error = load(&huge, &digits()).unwrap_err();
    assert!(error.message.contains("bytes; this model has"), "{error}");
}

#[test]
fn a_missing_file_is_said_to_be_missing() {
    let error = Backbone::load(&PathBuf::from("/nowhere/model"), &digits(), Device::Cpu).unwrap_err();
    assert_eq!(error.reason, "URI_NOT_FOUND");
    assert!(!error.message.contains("nowhere"));
}

#[test]
fn pickles_are_never_read() {
    let spec = torchscript(&digits());
    let error = load(include_bytes!("../golden/backbone/pickle.pt"), &spec).unwrap_err();
    assert_eq!(error.reason, "MALFORMED_MODEL");
    assert!(error.message.contains("torch.jit.script") && error.message.contains("safetensors"), "{error}");
    assert!(load(b"\x80\x02}q\x00.", &spec).unwrap_err().message.contains("pickle"));
}

/// Whatever is broken in a TorchScript file, it is an error with a reason or a model that runs; never an abort.
#[test]
fn damaged_torchscript_is_refused_or_runs() {
    let spec = torchscript(&spec("", 3, 1, 8));
    let whole = include_bytes!("../golden/backbone/plain.pt");
    for length in (0..whole.len()).step_by(97) {
        assert_eq!(load(&whole[..length], &spec).unwrap_err().reason, "MALFORMED_MODEL", "{length}");
    }
    let mut refused = 0;
    for round in 0..300_usize {
        let mut bytes = whole.to_vec();
        for change in 0..=round % 4 {
            let position = (round * 7919 + change * 104_729) % bytes.len();
            bytes[position] ^= 1 << (round % 8);
        }
        match load(&bytes, &spec) {
            Ok(model) => drop(model.forward(&images(2, &spec), BnMode::Eval)),
            Err(error) => {
                refused += 1;
                assert_eq!(error.kind, ErrorKind::InvalidArgument, "{error}: {:?}", error.source);
            }
        }
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn a_zip_bomb_is_refused_before_it_is_unpacked() {
    let spec = torchscript(&spec("", 3, 1, 8));
    let mut bytes = include_bytes!("../golden/backbone/plain.pt").to_vec();
    let entry = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    bytes[entry + 24..entry + 28].copy_from_slice(&u32::to_le_bytes(u32::MAX - 1));
    let error = load(&bytes, &spec).unwrap_err();
    assert!(error.message.contains("unpacks"), "{error}");
}

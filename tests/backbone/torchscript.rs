//! TorchScript from PyTorch, and back to PyTorch.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use tch::{Device, Tensor};
use unlearnd::domain::finetune::{Precision, Scope};
use unlearnd::domain::model::{Layout, ModelFormat, ModelSpec};
use unlearnd::ml::backbone::{Backbone, BnMode};

use crate::support::{ONE_OF_EACH_KIND, golden_model, images, largest_difference, logits, spec, torchscript};

#[derive(Deserialize)]
struct Golden {
    plain: Vec<f32>,
    methods: Vec<f32>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/backbone/torchscript.json")).unwrap()
}

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/backbone").join(name)
}

fn plain_spec() -> ModelSpec {
    torchscript(&spec("", 0, 1, 8))
}

fn methods_spec() -> ModelSpec {
    let mut spec = plain_spec();
    spec.preprocessing.layout = Layout::Nhwc;
    spec
}

fn plain() -> Backbone {
    Backbone::load(&file("plain.pt"), &plain_spec(), Device::Cpu).unwrap()
}

fn methods() -> Backbone {
    Backbone::load(&file("methods.pt"), &methods_spec(), Device::Cpu).unwrap()
}

#[test]
fn logits_of_files_from_pytorch_are_the_same() {
    for (model, expected) in [(plain(), golden().plain), (methods(), golden().methods)] {
        let (images, expected) = (images(3, model.spec()), Tensor::from_slice(&expected).view([3, 3]));
        assert_eq!(model.class_count(), 3);
        assert!(largest_difference(&logits(&model, &images), &expected) < 1e-6);
        let fast = model.inference(Precision::F32).unwrap();
        assert!(largest_difference(&fast.forward(&images).unwrap(), &expected) < 1e-6);
    }
}

#[test]
fn a_module_without_embed_trains_as_a_whole_only() {
    let model = plain();
    assert!(!model.has_embed());
    assert_eq!(model.trainable(Scope::All).unwrap().len(), 6);
    assert_eq!(model.trainable(Scope::Head).unwrap_err().reason, "EMBED_NOT_EXPORTED");
    assert_eq!(model.trainable(Scope::LastBlock).unwrap_err().reason, "TORCHSCRIPT_UNSUPPORTED");
    assert_eq!(model.prefix_hash().unwrap_err().reason, "EMBED_NOT_EXPORTED");
}

#[test]
fn the_head_of_a_module_is_what_head_uses() {
    let model = methods();
    assert!(model.has_embed());
    let head: Vec<String> = model.trainable(Scope::Head).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(head, ["classifier.bias", "classifier.weight"]);
    assert_eq!(model.feature_dim().unwrap(), 4);
    let images = images(3, model.spec());
    let features = model.embed(&images, BnMode::Eval).unwrap();
    assert!(largest_difference(&model.head(&features).unwrap(), &logits(&model, &images)) < 1e-6);
}

#[test]
fn copies_are_independent_and_statistics_move_in_training_mode_only() {
    let model = methods();
    let copy = model.deep_copy().unwrap();
    let images = images(3, model.spec());
    let before = logits(&model, &images);
    let _ = copy.forward(&images, BnMode::Train).unwrap();
    assert!(largest_difference(&logits(&copy, &images), &before) > 1e-4);
    assert_eq!(largest_difference(&logits(&model, &images), &before), 0.0);
}

#[test]
fn wrong_specifications_are_refused_with_reasons() {
    let reason = |name: &str, spec: &ModelSpec| Backbone::load(&file(name), spec, Device::Cpu).unwrap_err().reason;
    assert_eq!(reason("plain.pt", &torchscript(&spec("", 4, 1, 8))), "CLASS_COUNT_MISMATCH");
    assert_eq!(reason("plain.pt", &torchscript(&spec("", 3, 3, 8))), "MODEL_FORWARD_FAILED");
    assert_eq!(reason("methods.pt", &plain_spec()), "MODEL_FORWARD_FAILED");
}

#[test]
fn exports_come_back_with_identical_logits() {
    let folder = tempfile::tempdir().unwrap();
    for name in ONE_OF_EACH_KIND {
        let (spec, path) = (spec(name, 10, 3, 32), folder.path().join(name));
        let model = golden_model(&spec);
        let images = images(2, &spec);
        let expected = logits(&model, &images);
        model.save(&path, ModelFormat::Safetensors).unwrap();
        let again = Backbone::load(&path, &spec, Device::Cpu).unwrap();
        assert_eq!(largest_difference(&logits(&again, &images), &expected), 0.0, "{name}");
        assert_eq!(again.prefix_hash().unwrap(), model.prefix_hash().unwrap());
        model.save(&path, ModelFormat::TorchScript).unwrap();
        let again = Backbone::load(&path, &torchscript(&spec), Device::Cpu).unwrap();
        assert!(largest_difference(&logits(&again, &images), &expected) < 1e-5, "{name}");
        let names =
            |model: &Backbone| model.state_dict().unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&again), names(&model));
        assert_eq!(again.trainable(Scope::Head).unwrap().len(), 2, "{name}");
    }
}

#[test]
fn an_exported_module_trains_like_the_original() {
    let folder = tempfile::tempdir().unwrap();
    let (spec, path) = (spec("cifar_resnet20", 10, 3, 32), folder.path().join("m"));
    let model = golden_model(&spec);
    model.save(&path, ModelFormat::TorchScript).unwrap();
    let again = Backbone::load(&path, &torchscript(&spec), Device::Cpu).unwrap();
    let images = images(4, &spec);
    let gradient = |model: &Backbone| {
        let trained = model.trainable(Scope::All).unwrap();
        let loss = model.forward(&images, BnMode::Train).unwrap().square().mean(None);
        loss.backward();
        let (name, tensor) = &trained[0];
        (name.clone(), tensor.grad())
    };
    let ((name, expected), (same, found)) = (gradient(&model), gradient(&again));
    assert_eq!(name, same);
    // The two sum in other orders (NCHW and NHWC), so a rectifier may flip: see `gradients_in_training_mode_...`.
    let (difference, scale) = (largest_difference(&found, &expected), expected.abs().max().double_value(&[]));
    assert!(difference < 2e-2 * scale, "{difference} of {scale}");
    for ((name, expected), (_, found)) in model.named_buffers().into_iter().zip(again.named_buffers()) {
        assert!(largest_difference(&found, &expected) < 1e-5, "{name}");
    }
}

/// Needs a Python with torch: `UNLEARND_PYTHON` or `python3`.
#[test]
fn python_opens_exports_with_equal_logits() {
    const SCRIPT: &str = "
import sys, json, torch
model = torch.jit.load(sys.argv[1]).eval()
images = torch.tensor(json.load(open(sys.argv[2]))).reshape(2, 3, 32, 32)
with torch.no_grad():
    assert torch.equal(model.head(model.embed(images)), model(images))
    print(json.dumps({'logits': model(images).flatten().tolist(), 'names': sorted(model.state_dict())}))
";
    #[derive(Deserialize)]
    struct Answer {
        logits: Vec<f32>,
        names: Vec<String>,
    }
    let python = std::env::var("UNLEARND_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_torch = Command::new(&python).args(["-c", "import torch"]).output().is_ok_and(|run| run.status.success());
    if !has_torch {
        eprintln!("SKIPPED: `{python}` has no torch; set UNLEARND_PYTHON");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (model_path, image_path) = (folder.path().join("m.pt"), folder.path().join("images.json"));
    for name in ["cifar_resnet20", "resnet18", "small_cnn"] {
        let spec = spec(name, 10, 3, 32);
        let (model, images) = (golden_model(&spec), images(2, &spec));
        model.save(&model_path, ModelFormat::TorchScript).unwrap();
        let values: Vec<f32> = Vec::try_from(images.reshape([-1])).unwrap();
        std::fs::write(&image_path, serde_json::to_string(&values).unwrap()).unwrap();
        let run = Command::new(&python).args(["-c", SCRIPT]).arg(&model_path).arg(&image_path).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let answer: Answer = serde_json::from_slice(&run.stdout).unwrap();
        let found = Tensor::from_slice(&answer.logits).view([2, 10]);
        assert!(largest_difference(&found, &logits(&model, &images)) < 1e-5, "{name}");
        let names: Vec<String> = model.state_dict().unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(answer.names, names);
    }
}

//! Logits equal PyTorch's: every architecture, as trained and as folded for inference.

use serde::Deserialize;
use tch::{Device, Kind, Tensor};
use unlearnd::domain::finetune::{Precision, Scope};
use unlearnd::ml::backbone::{Backbone, BnMode, architectures};
use unlearnd::ml::torch::has_bf16;

use crate::support::{crc32, golden_model, images, largest_difference, logits, spec, wave};

#[derive(Deserialize)]
struct Golden {
    architecture: String,
    channels: u32,
    size: u32,
    classes: u32,
    parameters: u64,
    state_names_and_shapes_crc32: u32,
    logits: Vec<f32>,
}

fn golden() -> Vec<Golden> {
    serde_json::from_str(include_str!("../golden/backbone/logits.json")).unwrap()
}

#[test]
fn every_architecture_has_golden_logits() {
    let golden = golden();
    for name in architectures() {
        assert!(golden.iter().any(|golden| golden.architecture == name), "{name}");
    }
}

/// f32 rounding in other orders of summation stays below 1e-5 here; a wrong layer shows as 1e-1.
#[test]
fn logits_equal_those_of_pytorch() {
    const TOLERANCE: f64 = 1e-4;
    for golden in golden() {
        let spec = spec(&golden.architecture, golden.classes, golden.channels, golden.size);
        let model = golden_model(&spec);
        let expected = Tensor::from_slice(&golden.logits).view([3, i64::from(golden.classes)]);
        let images = images(3, &spec);
        let difference = largest_difference(&logits(&model, &images), &expected);
        assert!(difference < TOLERANCE, "{}: {difference}", golden.architecture);
        let folded = model.inference(Precision::F32).unwrap();
        let difference_folded = largest_difference(&folded.forward(&images).unwrap(), &expected);
        assert!(difference_folded < TOLERANCE, "{} folded: {difference_folded}", golden.architecture);
        println!("{}: {difference:.1e}, folded {difference_folded:.1e}", golden.architecture);
        if !has_bf16(Device::Cpu) {
            let refused = model.inference(Precision::Bf16).unwrap_err();
            assert_eq!(refused.reason, "PRECISION_UNSUPPORTED");
            continue;
        }
        let half = model.inference(Precision::Bf16).unwrap().forward(&images).unwrap();
        let difference_half = largest_difference(&half, &expected);
        assert!(difference_half < 0.15, "{} bf16: {difference_half}", golden.architecture);
    }
}

#[test]
fn names_and_shapes_equal_those_of_pytorch() {
    for golden in golden() {
        let spec = spec(&golden.architecture, golden.classes, golden.channels, golden.size);
        let model = Backbone::initialise(&spec, 0, Device::Cpu).unwrap();
        let state = model.state_dict().unwrap();
        let lines: Vec<String> = state.iter().map(|(name, tensor)| format!("{name} {:?}", tensor.size())).collect();
        assert_eq!(crc32(lines.join("\n").as_bytes()), golden.state_names_and_shapes_crc32, "{}", golden.architecture);
        assert_eq!(model.parameter_count(), golden.parameters, "{}", golden.architecture);
    }
}

#[derive(Deserialize)]
struct Gradients {
    architecture: String,
    channels: u32,
    size: u32,
    classes: u32,
    norms: Vec<(String, f64, f64)>,
}

/// Usually 1e-6 of the norm; a rectifier whose input is within rounding of zero may flip and move everything below it by
/// some 3e-3 (seen in the CIFAR network), as in PyTorch between f32 and f64.
#[test]
fn gradients_in_training_mode_equal_those_of_pytorch() {
    const TOLERANCE: f64 = 1e-2;
    let golden: Vec<Gradients> = serde_json::from_str(include_str!("../golden/backbone/gradients.json")).unwrap();
    for golden in golden {
        let model = golden_model(&spec(&golden.architecture, golden.classes, golden.channels, golden.size));
        let trained = model.trainable(Scope::All).unwrap();
        let logits = model.forward(&images(4, model.spec()), BnMode::Train).unwrap();
        logits.square().mean(None).backward();
        assert_eq!(trained.len(), golden.norms.len());
        for ((name, tensor), (same, norm, projection)) in trained.iter().zip(&golden.norms) {
            assert_eq!(name, same);
            let gradient = tensor.grad().reshape([-1]).to_kind(Kind::Double);
            let direction = wave(gradient.numel() as i64, 0) - 0.5;
            let found = gradient.dot(&direction).double_value(&[]);
            let found_norm = gradient.norm().double_value(&[]);
            assert!(
                (found_norm - norm).abs() < TOLERANCE * norm,
                "{} {name}: {found_norm} {norm}",
                golden.architecture
            );
            assert!(
                (found - projection).abs() < TOLERANCE * norm,
                "{} {name}: {found} {projection}",
                golden.architecture
            );
        }
    }
}

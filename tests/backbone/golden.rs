//! Logits equal PyTorch's: every architecture, as trained and as folded for inference.

use serde::Deserialize;
use tch::{Device, Tensor};
use unlearnd::domain::finetune::Precision;
use unlearnd::ml::backbone::{Backbone, architectures};

use crate::support::{crc32, golden_model, images, largest_difference, logits, spec};

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
        let half = model.inference(Precision::Bf16).unwrap().forward(&images).unwrap();
        let difference_half = largest_difference(&half, &expected);
        assert!(difference_half < 0.15, "{} bf16: {difference_half}", golden.architecture);
        println!(
            "{}: {difference:.1e}, folded {difference_folded:.1e}, bf16 {difference_half:.1e}",
            golden.architecture
        );
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

//! The backward pass by hand against libtorch's autograd, the kernel against libtorch's convolution.

use tch::{Device, Kind, Tensor};

use super::*;
use crate::domain::finetune::Precision;
use crate::ml::backbone::testing::spec;
use crate::ml::backbone::{Backbone, BnMode};
use crate::ml::shim::{self, Epilogue};
use crate::ml::torch::channels_last;

/// Even and odd sizes, pools, all kinds of shortcuts and blocks.
const CASES: [(&str, u32, u32); 8] = [
    ("cifar_resnet20", 3, 32),
    ("cifar_resnet20", 3, 27),
    ("small_cnn", 1, 8),
    ("small_cnn", 3, 29),
    ("resnet18", 3, 64),
    ("resnet18", 3, 37),
    ("resnet34", 1, 33),
    ("resnet50", 3, 32),
];

/// Numbers in [-1, 1) that depend on the position alone.
fn wave(size: &[i64], offset: f64) -> Tensor {
    let position = Tensor::arange(size.iter().product::<i64>(), (Kind::Double, Device::Cpu)) + offset;
    ((position.sin() * 43758.5453).frac()).to_kind(Kind::Float).reshape(size)
}

/// With running statistics that are not the identity.
fn model(architecture: &str, channels: u32, size: u32) -> Backbone {
    let model = Backbone::initialise(&spec(architecture, 7, channels, size), 5, Device::Cpu).unwrap();
    let _guard = NoGrad::enter();
    for (index, (name, mut buffer)) in model.named_buffers().into_iter().enumerate() {
        if name.ends_with("running_mean") {
            buffer.copy_(&(wave(&buffer.size(), index as f64) * 0.1));
        } else if name.ends_with("running_var") {
            buffer.copy_(&(wave(&buffer.size(), index as f64) * 0.5 + 0.7));
        }
    }
    model
}

fn images(count: i64, channels: u32, size: u32) -> Tensor {
    wave(&[count, channels.into(), size.into(), size.into()], 0.25)
}

fn autograd(model: &Backbone, images: &Tensor, targets: &[i64]) -> (Vec<f64>, Tensor) {
    let leaf = images.copy().set_requires_grad(true);
    let logits = model.forward(&leaf, BnMode::Eval).unwrap();
    let outputs = logits.log_softmax(1, Kind::Float).gather(1, &Tensor::from_slice(targets).unsqueeze(1), false);
    let gradient = Tensor::run_backward(&[outputs.sum(Kind::Float)], &[&leaf], false, false).remove(0);
    (Vec::try_from(outputs.detach().view(-1).to_kind(Kind::Double)).unwrap(), gradient)
}

fn largest(tensor: &Tensor) -> f64 {
    tensor.abs().max().double_value(&[])
}

#[test]
fn gradients_by_hand_are_those_of_autograd() {
    for (architecture, channels, size) in CASES {
        let model = model(architecture, channels, size);
        let differentiable = model.differentiable(Precision::F32).unwrap();
        // Twice, with fewer rows the second time: working memory is reused.
        for count in [3, 2] {
            let images = images(count, channels, size);
            let targets: Vec<u32> = (0..count as u32).collect();
            let (outputs, gradient) = autograd(&model, &images, &(0..count).collect::<Vec<_>>());
            let found = differentiable.explain(&images, &targets, TargetOutput::LogProbability).unwrap();
            let error = largest(&(&found.gradients - &gradient)) / largest(&gradient);
            assert!(error < 1e-4, "{architecture} at {size}: gradients differ by {error}");
            let close = |(found, expected): (&f64, &f64)| (found - expected).abs() < 1e-4 * expected.abs().max(1.0);
            assert!(found.outputs.iter().zip(&outputs).all(close), "{architecture}: {:?} {outputs:?}", found.outputs);
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_rows_beside_it() {
    for (architecture, channels, size) in CASES {
        let differentiable = model(architecture, channels, size).differentiable(Precision::F32).unwrap();
        let images = images(5, channels, size);
        let alone = differentiable.explain(&images.narrow(0, 1, 1), &[2], TargetOutput::Logit).unwrap();
        drop(images.get(2).fill_(f64::NAN));
        let together = differentiable.explain(&images, &[0, 2, 1, 1, 1], TargetOutput::Logit).unwrap();
        let close = |found: f64, scale: f64| found < 1e-6 * scale.max(1.0);
        assert!(close((alone.outputs[0] - together.outputs[1]).abs(), alone.outputs[0].abs()), "{architecture}");
        let (alone, beside) = (alone.gradients.get(0), together.gradients.get(1));
        assert!(close(largest(&(&alone - beside)), largest(&alone)), "{architecture}");
        assert!(together.outputs[2].is_nan() && !together.outputs[3].is_nan(), "{architecture}: {together:?}");
    }
}

#[test]
fn inference_tells_which_rows_are_not_numbers() {
    let half = crate::ml::torch::has_bf16(Device::Cpu).then_some(Precision::Bf16);
    for (architecture, channels, size) in CASES {
        let model = model(architecture, channels, size);
        let images = images(4, channels, size);
        drop(images.get(1).fill_(f64::NAN));
        // Overflows in the first layer.
        drop(images.get(2).fill_(3e38));
        for precision in [Some(Precision::F32), half].into_iter().flatten() {
            let logits = model.inference(precision).unwrap().forward(&images).unwrap();
            let finite = Vec::<bool>::try_from(logits.isfinite().all_dim(1, false)).unwrap();
            assert_eq!(finite, [true, false, false, true], "{architecture} {precision:?}");
        }
    }
}

#[test]
fn the_map_of_features_gives_the_logits() {
    let model = model("resnet18", 3, 64);
    let differentiable = model.differentiable(Precision::F32).unwrap();
    let images = images(2, 3, 64);
    let map = differentiable.feature_map(&images).unwrap().unwrap();
    assert_eq!(map.size(), [2, 512, 2, 2]);
    let mean = map.mean_dim([2_i64, 3].as_slice(), false, Kind::Float);
    let logits = differentiable.forward(&images).unwrap();
    assert!(largest(&(model.head(&mean).unwrap() - &logits)) < 1e-5);
    let _guard = NoGrad::enter();
    assert!(largest(&(model.forward(&images, BnMode::Eval).unwrap() - &logits)) < 1e-4);
}

#[test]
fn bf16_is_refused_where_the_processor_has_none() {
    let model = model("small_cnn", 3, 16);
    let refused = model.differentiable(Precision::Bf16).err().map(|error| error.reason);
    let expected = (!crate::ml::torch::has_bf16(Device::Cpu)).then_some("PRECISION_UNSUPPORTED");
    assert_eq!(refused, expected);
}

/// `(kernel, libtorch's convolution in f64, libtorch's in f32)` with bias, addend, mask and rectifier.
fn convolve(channels: [i64; 2], size: [i64; 2]) -> [Tensor; 3] {
    let ([inputs, outputs], [height, width]) = (channels, size);
    let input = channels_last(&wave(&[3, inputs, height, width], 0.5)).unwrap();
    let weight = wave(&[outputs, inputs, 3, 3], 7.0) / (inputs as f64 * 9.0).sqrt();
    let bias = wave(&[outputs], 1.0);
    let [addend, mask] = [2.0, 4.0].map(|offset| channels_last(&wave(&[3, outputs, height, width], offset)).unwrap());
    let direct = |kind| {
        let [input, weight, bias, addend] = [&input, &weight, &bias, &addend].map(|tensor| tensor.to_kind(kind));
        let sum = input.conv2d(&weight, Some(&bias), [1, 1], [1, 1], [1, 1], 1) + addend;
        (sum.relu() * mask.gt(0)).to_kind(Kind::Double)
    };
    let expected = [Kind::Double, Kind::Float].map(direct);
    let after = Epilogue { bias: Some(&bias), addend: Some(&addend), mask: Some(&mask), rectify: true };
    shim::winograd(&input, &shim::pack_winograd(&weight).unwrap(), after, &mask).unwrap();
    let [exact, single] = expected;
    [mask.to_kind(Kind::Double), exact, single]
}

#[test]
fn the_kernel_is_as_exact_as_a_direct_convolution() {
    if !shim::winograd_supported() {
        return;
    }
    let shapes = [([16, 16], [32, 32]), ([16, 48], [5, 9]), ([64, 64], [7, 7]), ([32, 32], [1, 2]), ([96, 16], [2, 1])];
    for (channels, size) in shapes {
        let [kernel, exact, single] = convolve(channels, size);
        let (found, usual) = (largest(&(kernel - &exact)), largest(&(single - &exact)));
        assert!(
            found <= 2.0 * usual.max(2e-7),
            "{channels:?} {size:?}: error {found}, of a direct convolution {usual}"
        );
    }
}

#[test]
fn the_kernel_refuses_what_it_cannot_compute() {
    assert!(shim::pack_winograd(&wave(&[16, 3, 3, 3], 0.0)).is_err());
    assert!(shim::pack_winograd(&wave(&[16, 16, 1, 1], 0.0)).is_err());
    let packed = shim::pack_winograd(&wave(&[16, 16, 3, 3], 0.0)).unwrap();
    let image = channels_last(&wave(&[1, 16, 4, 4], 0.0)).unwrap();
    let contiguous = wave(&[1, 16, 4, 4], 0.0);
    let small = channels_last(&wave(&[1, 16, 4, 3], 0.0)).unwrap();
    assert!(shim::winograd(&image, &packed, Epilogue::default(), &contiguous).is_err());
    assert!(shim::winograd(&image, &packed, Epilogue::default(), &small).is_err());
    assert!(shim::winograd(&small.narrow(1, 0, 8), &packed, Epilogue::default(), &image).is_err());
}

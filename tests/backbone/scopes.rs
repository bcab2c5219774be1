//! Scopes, copies, statistics and hashes of built-in architectures.

use tch::{Device, Tensor};
use unlearnd::domain::ErrorKind;
use unlearnd::domain::finetune::{Precision, Scope};
use unlearnd::ml::backbone::{Backbone, BnMode};

use crate::support::{ONE_OF_EACH_KIND, golden_model, images, largest_difference, logits, spec};

const SCOPES: [Scope; 3] = [Scope::Head, Scope::LastBlock, Scope::All];

fn resnet() -> Backbone {
    golden_model(&spec("cifar_resnet20", 10, 3, 32))
}

fn names(trained: &[(String, Tensor)]) -> Vec<&str> {
    trained.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn scopes_have_the_parameters_they_name() {
    let model = resnet();
    assert_eq!(names(&model.trainable(Scope::Head).unwrap()), ["linear.bias", "linear.weight"]);
    let block = ["bn1.bias", "bn1.weight", "bn2.bias", "bn2.weight", "conv1.weight", "conv2.weight"];
    let mut expected: Vec<String> = block.iter().map(|name| format!("layer3.2.{name}")).collect();
    expected.extend(["linear.bias".to_owned(), "linear.weight".to_owned()]);
    assert_eq!(names(&model.trainable(Scope::LastBlock).unwrap()), expected);
    assert_eq!(model.trainable(Scope::All).unwrap().len(), model.named_parameters().len());
    let small = golden_model(&spec("small_cnn", 10, 1, 8));
    let last = small.trainable(Scope::LastBlock).unwrap();
    assert_eq!(names(&last), ["bn3.bias", "bn3.weight", "conv3.weight", "fc.bias", "fc.weight"]);
}

#[test]
fn every_scope_gives_the_same_logits_and_gradients_only_inside() {
    for name in ONE_OF_EACH_KIND {
        let original = golden_model(&spec(name, 10, 3, 32));
        for scope in SCOPES {
            let model = original.deep_copy().unwrap();
            let images = images(2, model.spec());
            let expected = logits(&model, &images);
            let trained = model.trainable(scope).unwrap();
            let found = model.forward_scoped(scope, &images, BnMode::Eval).unwrap();
            assert_eq!(largest_difference(&found.detach(), &expected), 0.0, "{name} {scope:?}");
            found.square().sum(None).backward();
            for (parameter, tensor) in model.named_parameters() {
                let inside = names(&trained).contains(&parameter.as_str());
                assert_eq!(tensor.grad().defined(), inside, "{name} {scope:?} {parameter}");
            }
        }
    }
}

#[test]
fn the_prefix_hash_sees_everything_but_the_head() {
    let model = resnet();
    let before = model.prefix_hash().unwrap();
    let change = |name: &str| {
        let _guard = tch::no_grad_guard();
        let state = model.state_dict().unwrap();
        let (_, mut tensor) = state.into_iter().find(|(other, _)| other == name).unwrap();
        let _ = tensor.f_add_scalar_(1).unwrap();
    };
    change("linear.weight");
    assert_eq!(model.prefix_hash().unwrap(), before);
    for name in ["layer3.2.conv2.weight", "bn1.running_mean", "layer1.0.bn2.bias"] {
        let before = model.prefix_hash().unwrap();
        change(name);
        assert_ne!(model.prefix_hash().unwrap(), before, "{name}");
    }
}

#[test]
fn copies_are_independent() {
    let model = resnet();
    let images = images(2, model.spec());
    let before = logits(&model, &images);
    let fast = model.inference(Precision::F32).unwrap();
    let copy = model.deep_copy().unwrap();
    let _ = copy.forward(&images, BnMode::Train).unwrap();
    let fresh = Backbone::initialise(model.spec(), 7, Device::Cpu).unwrap();
    copy.load_state(&fresh.state_dict().unwrap()).unwrap();
    assert_eq!(largest_difference(&logits(&copy, &images), &logits(&fresh, &images)), 0.0);
    assert_eq!(largest_difference(&logits(&model, &images), &before), 0.0);
    model.load_state(&fresh.state_dict().unwrap()).unwrap();
    assert!(largest_difference(&fast.forward(&images).unwrap(), &before) < 1e-4);
}

#[test]
fn states_of_other_models_are_refused() {
    let other = Backbone::initialise(&spec("cifar_resnet20", 9, 3, 32), 0, Device::Cpu).unwrap();
    let error = resnet().load_state(&other.state_dict().unwrap()).unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::FailedPrecondition, "STATE_MISMATCH"));
}

#[test]
fn fresh_weights_depend_on_the_seed_and_have_pytorchs_spread() {
    let spec = spec("cifar_resnet20", 10, 3, 32);
    let weight = |seed: u64| {
        let model = Backbone::initialise(&spec, seed, Device::Cpu).unwrap();
        model.named_parameters().into_iter().find(|(name, _)| name == "layer3.1.conv1.weight").unwrap().1
    };
    assert_eq!(largest_difference(&weight(3), &weight(3)), 0.0);
    assert!(largest_difference(&weight(3), &weight(4)) > 0.01);
    let bound = 1.0 / (64.0_f64 * 9.0).sqrt();
    let (largest, deviation) = (weight(3).abs().max().double_value(&[]), weight(3).std(true).double_value(&[]));
    assert!(largest <= bound && largest > 0.999 * bound);
    assert!((deviation - bound / 3.0_f64.sqrt()).abs() < 0.01 * bound);
}

fn running_mean(model: &Backbone) -> Tensor {
    model.named_buffers().into_iter().find(|(name, _)| name == "bn1.running_mean").unwrap().1.copy()
}

#[test]
fn running_statistics_move_by_a_tenth_or_become_the_mean_of_all_batches() {
    let model = resnet();
    let images = images(6, model.spec());
    let (first, second) = (images.narrow(0, 0, 3), images.narrow(0, 3, 3));
    let measure = |batches: &[&Tensor], mode: BnMode| {
        model.reset_running_stats().unwrap();
        batches.iter().for_each(|batch| drop(model.forward(batch, mode).unwrap()));
        running_mean(&model)
    };
    let (one, two) = (measure(&[&first], BnMode::Cumulative), measure(&[&second], BnMode::Cumulative));
    let both = measure(&[&first, &second], BnMode::Cumulative);
    assert!(largest_difference(&both, &((&one + &two) / 2.0)) < 1e-6);
    let moved = measure(&[&first, &second], BnMode::Train);
    assert!(largest_difference(&moved, &(&one * 0.09 + &two * 0.1)) < 1e-6);
    let count = model.named_buffers().into_iter().find(|(name, _)| name == "bn1.num_batches_tracked").unwrap().1;
    assert_eq!(count.int64_value(&[]), 2);
}

#[test]
fn a_single_value_per_channel_has_no_variance() {
    let model = golden_model(&spec("resnet18", 10, 3, 32));
    let error = model.forward(&images(1, model.spec()), BnMode::Train).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    assert!(error.message.contains("batches of 2 or more"), "{error}");
    assert!(model.forward(&images(1, model.spec()), BnMode::Eval).is_ok());
}

#[test]
fn images_of_a_wrong_shape_are_invalid_arguments() {
    let model = resnet();
    for size in [&[2, 1, 32, 32][..], &[2, 3][..], &[2, 3, 0, 0][..]] {
        let images = Tensor::ones(size, (tch::Kind::Float, Device::Cpu));
        let errors = [
            model.forward(&images, BnMode::Eval).unwrap_err(),
            model.inference(Precision::F32).unwrap().forward(&images).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind, ErrorKind::InvalidArgument, "{size:?} {error} {:?}", error.source);
        }
    }
}

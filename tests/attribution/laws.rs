//! What holds for every model: completeness, the same answer however the rows are cut into steps, one item never another's matter.

use std::rc::Rc;

use proptest::prelude::*;
use tch::{Kind, Tensor};
use unlearnd::domain::attribution::{
    Attribution, AttributionMethod, AttributionOptions, Baseline, NoiseKind, NoiseLevel, NoiseTunnel, QuadratureRule,
};
use unlearnd::ml::attribution::{AttributionTask, Item};
use unlearnd::ml::backbone::Differentiable;
use unlearnd::ml::step::{Outcome, Task};

use crate::support::{CLASSES, Quiet, attribute, finish, images, integrated, native, script, spec};

fn items(model: &Differentiable, count: i64, target: Option<u32>) -> Vec<Item> {
    let images = images(count, &spec());
    (0..count).map(|row| Item::new(&images.get(row), target, row as u64, model.spec()).unwrap()).collect()
}

fn only(model: &Rc<Differentiable>, options: &AttributionOptions, input: &Tensor, target: Option<u32>) -> Attribution {
    let item = Item::new(input, target, 0, model.spec()).unwrap();
    attribute(model, options, vec![item]).remove(0).unwrap()
}

fn tensor(attribution: &Attribution) -> Tensor {
    let size = [1, attribution.channels, attribution.height, attribution.width].map(i64::from);
    Tensor::from_slice(&attribution.values).view(size)
}

fn largest(tensor: &Tensor) -> f64 {
    tensor.abs().max().double_value(&[])
}

/// Captum's trapezoid is biased by design; a single point of the others is exact too.
fn unbiased() -> impl Strategy<Value = QuadratureRule> {
    prop::sample::select(vec![
        QuadratureRule::GaussLegendre,
        QuadratureRule::Middle,
        QuadratureRule::Left,
        QuadratureRule::Right,
        QuadratureRule::Trapezoid,
        QuadratureRule::LinspaceMean,
    ])
}

fn image() -> impl Strategy<Value = Tensor> {
    prop::collection::vec(-2.0_f32..2.0, 192).prop_map(|values| Tensor::from_slice(&values).view([3, 8, 8]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// `F(x) = w x + b`: the attribution is `w (x - x')` by any rule, whatever the number of steps.
    #[test]
    fn linear_models_are_explained_exactly(
        input in image(),
        pixel in 0.0_f32..1.0,
        rule in unbiased(),
        steps in 1_u32..40,
        target in 0..CLASSES,
    ) {
        let model = script("linear.pt");
        let baseline = (f64::from(pixel) - 0.5) / 0.25;
        let weights = model.explain(&input.unsqueeze(0), &[target], Default::default()).unwrap().gradients;
        let options = AttributionOptions { baseline: Baseline::Constant(pixel), ..integrated(rule, steps) };
        let found = only(&model, &options, &input, Some(target));
        let exact = weights * (input - baseline).unsqueeze(0);
        prop_assert!(largest(&(tensor(&found) - exact)) < 1e-5);
        prop_assert!(found.delta.abs() < 1e-4, "{}", found.delta);
    }

    /// Smooth models converge: completeness holds, and the sum is what is said of it.
    #[test]
    fn completeness_holds_and_is_told(input in image(), target in 0..CLASSES) {
        let model = script("cnn.pt");
        let found = only(&model, &integrated(QuadratureRule::GaussLegendre, 50), &input, Some(target));
        let sum: f64 = found.values.iter().map(|&value| f64::from(value)).sum();
        let difference = found.output - found.baseline_output;
        prop_assert!((found.delta - (sum - difference)).abs() < 1e-6);
        prop_assert!(found.delta.abs() < 1e-3 * difference.abs().max(0.1), "{found:?}");
        prop_assert_eq!(found.converged, found.relative_delta <= 0.05);
        prop_assert_eq!((found.target, found.steps), (target, 50));
    }
}

fn noisy(method: AttributionMethod) -> AttributionOptions {
    let noise = NoiseTunnel { kind: NoiseKind::VarGrad, samples: 3, level: NoiseLevel::Relative(0.1) };
    AttributionOptions { method, noise: Some(noise), ..AttributionOptions::default() }
}

/// One of each kind, with all that may be asked.
fn everything() -> [AttributionOptions; 4] {
    let integrated = AttributionOptions {
        baseline: Baseline::Uniform(2),
        infidelity: true,
        sensitivity: true,
        ..integrated(QuadratureRule::GaussLegendre, 9)
    };
    let shap = AttributionMethod::GradientShap { samples: 7, stdev: 0.1 };
    let occlusion = AttributionMethod::Occlusion { window: 3, stride: 2 };
    [
        integrated,
        noisy(AttributionMethod::Saliency { signed: true }),
        AttributionOptions { method: shap, baseline: Baseline::Uniform(3), ..AttributionOptions::default() },
        AttributionOptions { method: occlusion, infidelity: true, ..AttributionOptions::default() },
    ]
}

#[test]
fn nothing_depends_on_how_rows_are_cut_into_steps() {
    let model = native();
    for options in everything() {
        let whole = attribute(&model, &options, items(&model, 3, None));
        for internal_batch_size in [1, 7, 1000] {
            let options = AttributionOptions { internal_batch_size, ..options.clone() };
            for (found, expected) in attribute(&model, &options, items(&model, 3, None)).iter().zip(&whole) {
                same(found.as_ref().unwrap(), expected.as_ref().unwrap());
            }
        }
    }
}

#[test]
fn nothing_depends_on_the_items_beside_it() {
    let model = native();
    for options in everything() {
        let together = attribute(&model, &options, items(&model, 5, Some(1)));
        let alone = attribute(&model, &options, vec![items(&model, 5, Some(1)).remove(3)]);
        same(alone[0].as_ref().unwrap(), together[3].as_ref().unwrap());
    }
}

/// Up to the order of summation in f32.
fn same(found: &Attribution, expected: &Attribution) {
    let (found_values, expected_values) = (tensor(found), tensor(expected));
    let difference = largest(&(found_values - &expected_values));
    assert!(difference <= 1e-5 * largest(&expected_values), "{difference}");
    let close = |left: f64, right: f64| (left - right).abs() <= 1e-4 * right.abs() + 1e-9;
    assert!(close(found.output, expected.output) && close(found.baseline_output, expected.baseline_output));
    assert_eq!((found.target, found.steps), (expected.target, expected.steps));
    for (found, expected) in [(found.infidelity, expected.infidelity), (found.sensitivity, expected.sensitivity)] {
        assert_eq!(found.is_some(), expected.is_some());
        assert!(close(found.unwrap_or_default(), expected.unwrap_or_default()), "{found:?} {expected:?}");
    }
}

#[test]
fn a_step_holds_no_more_rows_than_asked_for_and_the_position_counts_all() {
    let model = native();
    let options =
        AttributionOptions { internal_batch_size: 8, sensitivity: true, ..integrated(QuadratureRule::Middle, 10) };
    let mut task = AttributionTask::new(model.clone(), options, items(&model, 12, None)).unwrap();
    let total = task.position().total;
    assert_eq!(total, 12 * (2 + 10 + 10 * 10));
    let mut before = 0;
    while let Outcome::Continue = task.step(&mut Quiet).unwrap() {
        let position = task.position();
        assert!((1..=8).contains(&(position.step - before)) && position.total == total, "{position:?}");
        before = position.step;
    }
    assert_eq!(task.position().step, total);
}

#[test]
fn an_input_that_is_its_baseline_has_nothing_to_explain() {
    let model = native();
    let found =
        only(&model, &AttributionOptions::default(), &Tensor::zeros([3, 8, 8], (Kind::Float, tch::Device::Cpu)), None);
    assert!(found.is_baseline && found.converged && found.delta == 0.0);
    assert!(found.values.iter().all(|&value| value == 0.0) && found.values.len() == 192);
}

#[test]
fn adaptive_integration_doubles_its_steps_until_it_converges() {
    let model = script("cnn.pt");
    let input = images(1, &spec()).get(0);
    let coarse = only(&model, &integrated(QuadratureRule::Left, 1), &input, Some(0));
    assert!(!coarse.converged);
    let method = AttributionMethod::IntegratedGradients { rule: QuadratureRule::Left, steps: 1, adaptive: true };
    let found = only(&model, &AttributionOptions { method, ..AttributionOptions::default() }, &input, Some(0));
    assert!(found.converged && found.steps > 1 && found.steps.is_power_of_two(), "{} steps", found.steps);
    let fewer = only(&model, &integrated(QuadratureRule::Left, found.steps / 2), &input, Some(0));
    assert!(!fewer.converged, "{} steps were enough", found.steps / 2);
}

#[test]
fn without_a_target_the_predicted_class_is_explained() {
    let model = native();
    let input = images(1, &spec());
    let predicted = model.forward(&input).unwrap().argmax(1, false).int64_value(&[0]) as u32;
    let found = only(&model, &AttributionOptions::default(), &input.get(0), None);
    same(&found, &only(&model, &AttributionOptions::default(), &input.get(0), Some(predicted)));
}

/// An input `x + e` of a linear model has the attribution `w (x + e)`: the mean over n draws misses `w x` by a normal number of
/// deviation `|w| s / sqrt(n)`, which none of 192 misses five times.
#[test]
fn noise_of_our_own_has_the_deviation_asked_for() {
    let (model, samples, stdev) = (script("linear.pt"), 400, 0.5);
    let input = images(1, &spec());
    let noise = NoiseTunnel { kind: NoiseKind::SmoothGrad, samples, level: NoiseLevel::Absolute(stdev) };
    let options = AttributionOptions {
        method: AttributionMethod::InputXGradient,
        noise: Some(noise),
        ..AttributionOptions::default()
    };
    let found = tensor(&only(&model, &options, &input.get(0), Some(2)));
    let weights = model.explain(&input, &[2], Default::default()).unwrap().gradients;
    let errors = (found - &weights * &input) / (weights.abs() * stdev / f64::from(samples).sqrt());
    assert!(largest(&errors) < 5.0, "{}", largest(&errors));
    let spread = errors.square().mean(Kind::Double).double_value(&[]);
    assert!((spread - 1.0).abs() < 4.0 * (2.0_f64 / 192.0).sqrt(), "{spread}");
}

#[test]
fn an_input_that_is_not_a_number_fails_alone() {
    let model = native();
    let mut items = items(&model, 3, Some(0));
    let broken = images(1, &spec()).get(0) * f64::NAN;
    items[1] = Item::new(&broken, Some(0), 1, model.spec()).unwrap();
    let task = AttributionTask::new(model.clone(), AttributionOptions::default(), items).unwrap();
    let found = finish(task);
    assert!(found[0].is_ok() && found[2].is_ok());
    let error = found[1].as_ref().unwrap_err();
    assert_eq!(error.reason, "NON_FINITE_OUTPUT");
    assert!(error.message.contains("the input itself"), "{}", error.message);
}

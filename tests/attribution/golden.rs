//! Every method equals Captum 0.8, for a TorchScript model and for a built-in one.

use std::rc::Rc;

use unlearnd::domain::attribution::{
    Attribution, AttributionMethod, AttributionOptions, Baseline, NoiseKind, NoiseLevel, NoiseTunnel, QuadratureRule,
    TargetOutput,
};
use unlearnd::ml::attribution::{AttributionTask, Quadrature};
use unlearnd::ml::backbone::Differentiable;

use crate::support::{Golden, STEPS, finish, integrated, native, script};

struct Comparison {
    golden: Golden,
    models: [(&'static str, Rc<Differentiable>); 2],
}

/// `absolute + relative * |expected| + root * sqrt(|expected|)`.
#[derive(Clone, Copy)]
struct Tolerance {
    absolute: f64,
    relative: f64,
    root: f64,
}

const EXACT: Tolerance = Tolerance { absolute: 1e-10, relative: 0.0, root: 0.0 };
const PATHS: Tolerance = Tolerance { absolute: 1e-5, relative: 1e-4, root: 0.0 };
const NOISY: Tolerance = Tolerance { absolute: 1e-5, relative: 0.0, root: 0.0 };
const PLAIN: Tolerance = Tolerance { absolute: 1e-6, relative: 0.0, root: 0.0 };
const QUALITY: Tolerance = Tolerance { absolute: 0.0, relative: 1e-5, root: 0.0 };
/// The golden figure is of double precision, and a mean of squared differences moves by up to `2 e sqrt(figure)` with an error `e` of
/// the outputs: 3e-8 for outputs below .1 in single precision, where Captum's own figures are up to 2.2e-5 relative off the golden.
const INFIDELITY: Tolerance = Tolerance { root: 2.0 * 3e-8, ..QUALITY };

impl Tolerance {
    fn around(self, expected: f64) -> f64 {
        self.absolute + self.relative * expected.abs() + self.root * expected.abs().sqrt()
    }
}

impl Comparison {
    fn new() -> Self {
        let models = [("cnn", script("cnn.pt")), ("small_cnn", native())];
        Self { golden: Golden::read("golden.safetensors"), models }
    }

    fn attribute(&self, model: &Rc<Differentiable>, options: &AttributionOptions) -> Vec<Attribution> {
        let (items, randomness) = (self.golden.items(model), self.golden.randomness());
        let task = AttributionTask::with_randomness(model.clone(), options.clone(), items, randomness).unwrap();
        finish(task).into_iter().map(Result::unwrap).collect()
    }

    fn check(&self, case: &str, options: &AttributionOptions, tolerance: Tolerance) {
        for (name, model) in &self.models {
            let found = self.attribute(model, options);
            let values = found.iter().flat_map(|attribution| attribution.values.iter().map(|&value| f64::from(value)));
            let expected = self.golden.numbers(&format!("{name}/{case}/attributions"));
            compare(&format!("{name}/{case}"), values, &expected, tolerance);
        }
    }

    fn check_deltas(&self, case: &str, options: &AttributionOptions) {
        for (name, model) in &self.models {
            let found = self.attribute(model, options);
            let deltas = found.iter().map(|attribution| attribution.delta);
            compare(
                &format!("{name}/{case}/delta"),
                deltas,
                &self.golden.numbers(&format!("{name}/{case}/delta")),
                PATHS,
            );
        }
    }

    fn check_path(&self, case: &str, options: &AttributionOptions) {
        self.check(case, options, PATHS);
        self.check_deltas(case, options);
    }
}

fn compare(case: &str, found: impl Iterator<Item = f64>, expected: &[f64], tolerance: Tolerance) {
    let found: Vec<f64> = found.collect();
    assert_eq!(found.len(), expected.len(), "{case}");
    let mut largest = 0.0_f64;
    for (found, expected) in found.into_iter().zip(expected) {
        let allowed = tolerance.around(*expected);
        assert!((found - expected).abs() <= allowed, "{case}: {found} is not {expected}, allowed is {allowed:.1e}");
        largest = largest.max((found - expected).abs());
    }
    println!("{case}: differs by {largest:.1e} at most");
}

const GAUSS_LEGENDRE: QuadratureRule = QuadratureRule::GaussLegendre;

#[test]
fn points_and_weights_are_those_of_captum_in_f64() {
    let golden = Golden::read("rules.safetensors");
    for name in golden.names().filter_map(|name| name.strip_suffix("/points")) {
        let (rule, steps) = name.split_once('/').unwrap();
        let rule = match rule {
            "gausslegendre" => GAUSS_LEGENDRE,
            "riemann_middle" => QuadratureRule::Middle,
            "riemann_left" => QuadratureRule::Left,
            "riemann_right" => QuadratureRule::Right,
            "riemann_trapezoid" => QuadratureRule::CaptumTrapezoid,
            other => panic!("unknown rule {other}"),
        };
        let Quadrature { points, weights } = Quadrature::new(rule, steps.parse().unwrap());
        compare(&format!("{name}/points"), points.into_iter(), &golden.numbers(&format!("{name}/points")), EXACT);
        compare(&format!("{name}/weights"), weights.into_iter(), &golden.numbers(&format!("{name}/weights")), EXACT);
    }
}

#[test]
fn integrated_gradients_equal_captums_for_every_rule() {
    let comparison = Comparison::new();
    for (case, rule) in [
        ("gausslegendre", GAUSS_LEGENDRE),
        ("riemann_middle", QuadratureRule::Middle),
        ("riemann_left", QuadratureRule::Left),
        ("riemann_right", QuadratureRule::Right),
        ("riemann_trapezoid", QuadratureRule::CaptumTrapezoid),
        ("trapezoid", QuadratureRule::Trapezoid),
        ("linspace_mean", QuadratureRule::LinspaceMean),
    ] {
        comparison.check_path(&format!("ig/{case}"), &integrated(rule, STEPS));
    }
}

#[test]
fn probabilities_are_explained_as_captum_explains_a_softmax() {
    let comparison = Comparison::new();
    for (case, output) in
        [("log_probability", TargetOutput::LogProbability), ("probability", TargetOutput::Probability)]
    {
        let options = AttributionOptions { output, ..integrated(GAUSS_LEGENDRE, STEPS) };
        comparison.check_path(&format!("ig/{case}"), &options);
    }
}

#[test]
fn every_baseline_equals_one_handed_to_captum() {
    let comparison = Comparison::new();
    let baseline = |baseline| AttributionOptions { baseline, ..integrated(GAUSS_LEGENDRE, STEPS) };
    comparison.check_path("baseline/constant", &baseline(Baseline::Constant(0.75)));
    comparison.check_path("baseline/mean", &baseline(Baseline::Mean));
    comparison.check_path("baseline/blur", &baseline(Baseline::Blur(1.0)));
    comparison.check("baseline/uniform", &baseline(Baseline::Uniform(3)), PATHS);
    let planes = comparison.golden.get("uniform/baselines").get(0).get(0).view([3, 8, 8]);
    let pixels = Vec::try_from(planes.permute([1, 2, 0]).contiguous().view(-1)).unwrap();
    comparison.check_path("baseline/custom", &baseline(Baseline::Custom(pixels)));
}

fn plain(method: AttributionMethod) -> AttributionOptions {
    AttributionOptions { method, ..AttributionOptions::default() }
}

#[test]
fn saliency_and_input_x_gradient_equal_captums() {
    let comparison = Comparison::new();
    comparison.check("saliency", &plain(AttributionMethod::Saliency { signed: false }), PLAIN);
    comparison.check("saliency_signed", &plain(AttributionMethod::Saliency { signed: true }), PLAIN);
    comparison.check("input_x_gradient", &plain(AttributionMethod::InputXGradient), PLAIN);
}

#[test]
fn occlusion_equals_captums() {
    let comparison = Comparison::new();
    for (window, stride) in [(3, 2), (2, 2), (4, 1)] {
        let method = AttributionMethod::Occlusion { window, stride };
        comparison.check(&format!("occlusion_{window}_{stride}"), &plain(method), PLAIN);
    }
}

#[test]
fn the_smoothgrad_family_equals_captums_noise_tunnel() {
    let comparison = Comparison::new();
    let kinds = [
        ("smoothgrad", NoiseKind::SmoothGrad),
        ("smoothgrad_sq", NoiseKind::SmoothGradSquared),
        ("vargrad", NoiseKind::VarGrad),
    ];
    for (name, options) in
        [("saliency", plain(AttributionMethod::Saliency { signed: true })), ("ig", integrated(GAUSS_LEGENDRE, STEPS))]
    {
        for (case, kind) in kinds {
            let noise = Some(NoiseTunnel { kind, samples: 6, level: NoiseLevel::Absolute(0.3) });
            comparison.check(&format!("{name}/{case}"), &AttributionOptions { noise, ..options.clone() }, NOISY);
        }
    }
}

#[test]
fn relative_noise_is_a_share_of_each_images_range() {
    let noise = Some(NoiseTunnel { kind: NoiseKind::SmoothGrad, samples: 6, level: NoiseLevel::Relative(0.15) });
    let options = AttributionOptions { noise, ..plain(AttributionMethod::Saliency { signed: true }) };
    Comparison::new().check("saliency/relative", &options, NOISY);
}

#[test]
fn gradient_shap_equals_captums() {
    let method = AttributionMethod::GradientShap { samples: 12, stdev: 0.2 };
    let options = AttributionOptions { baseline: Baseline::Uniform(3), ..plain(method) };
    Comparison::new().check("gradient_shap", &options, NOISY);
}

#[test]
fn infidelity_and_sensitivity_equal_captums() {
    let comparison = Comparison::new();
    let methods =
        [("ig", integrated(GAUSS_LEGENDRE, STEPS)), ("saliency", plain(AttributionMethod::Saliency { signed: false }))];
    for (case, options) in methods {
        let options = AttributionOptions { infidelity: true, sensitivity: true, ..options };
        for (name, model) in &comparison.models {
            let found = comparison.attribute(model, &options);
            let expected = |what: &str| comparison.golden.numbers(&format!("{name}/{case}/{what}"));
            let infidelity = found.iter().map(|attribution| attribution.infidelity.unwrap());
            compare(&format!("{name}/{case}/infidelity"), infidelity, &expected("infidelity"), INFIDELITY);
            let sensitivity = found.iter().map(|attribution| attribution.sensitivity.unwrap());
            compare(&format!("{name}/{case}/sensitivity"), sensitivity, &expected("sensitivity"), QUALITY);
        }
    }
}

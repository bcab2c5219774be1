//! Checks of the options before anything runs. Field paths are relative to the options' message.

use crate::domain::attribution::{AttributionMethod, AttributionOptions, Baseline, NoiseLevel, NoiseTunnel};
use crate::domain::model::{ModelSpec, Preprocessing};
use crate::domain::{Error, Result};

pub(super) const MOST_STEPS: u32 = 1024;
/// Adaptive integration doubles up to here.
pub(super) const MOST_ADAPTIVE_STEPS: u32 = 512;
const MOST_SAMPLES: u32 = 1024;
const MOST_ROWS: u32 = 4096;

/// Whether the method can run with these options on models of this kind.
///
/// # Errors
/// `INVALID_STEPS`, `INVALID_SAMPLES`, `INVALID_STDEV`, `INVALID_WINDOW`, `INVALID_STRIDE`, `INVALID_BASELINE`,
/// `NOISE_UNSUPPORTED`, `INVALID_BATCH_SIZE`; `CONFLICTING_FIELDS` for a baseline that the method does not use.
pub fn validate(options: &AttributionOptions, spec: &ModelSpec) -> Result<()> {
    let AttributionOptions { method, noise, baseline, internal_batch_size, .. } = options;
    let AttributionOptions { output: _, precision: _, infidelity: _, sensitivity: _, seed: _, .. } = options;
    validate_method(*method, &spec.preprocessing)?;
    if let Some(noise) = noise {
        validate_noise(*noise, *method).map_err(|error| error.under("noise"))?;
    }
    validate_baseline(baseline, &spec.preprocessing).map_err(|error| error.under("baseline"))?;
    validate_use(*method, baseline)?;
    range("INVALID_BATCH_SIZE", "internal_batch_size", *internal_batch_size, 0, MOST_ROWS)
}

/// Whether the model has the class; a `class_count` of 0 (as the weights say) accepts all.
pub fn validate_target(target: Option<u32>, spec: &ModelSpec) -> Result<()> {
    match target {
        Some(class) if spec.class_count != 0 && class >= spec.class_count => {
            let description = format!("class {class} is not in 0..{}", spec.class_count);
            Err(Error::invalid("TARGET_OUT_OF_RANGE", "target", description))
        }
        Some(_) | None => Ok(()),
    }
}

fn validate_method(method: AttributionMethod, image: &Preprocessing) -> Result<()> {
    match method {
        AttributionMethod::IntegratedGradients { rule: _, steps, adaptive } => {
            range("INVALID_STEPS", "integrated_gradients.steps", steps, 1, MOST_STEPS)?;
            match adaptive && steps > MOST_ADAPTIVE_STEPS {
                true => range("INVALID_STEPS", "integrated_gradients.steps", steps, 1, MOST_ADAPTIVE_STEPS),
                false => Ok(()),
            }
        }
        AttributionMethod::Saliency { signed: _ } | AttributionMethod::InputXGradient => Ok(()),
        AttributionMethod::GradientShap { samples, stdev } => {
            range("INVALID_SAMPLES", "gradient_shap.samples", samples, 1, MOST_SAMPLES)?;
            validate_stdev("gradient_shap.stdev", stdev)
        }
        AttributionMethod::Occlusion { window, stride } => {
            range("INVALID_WINDOW", "occlusion.window", window, 1, image.height.min(image.width))?;
            range("INVALID_STRIDE", "occlusion.stride", stride, 1, window)
        }
    }
}

fn validate_noise(noise: NoiseTunnel, method: AttributionMethod) -> Result<()> {
    let NoiseTunnel { kind: _, samples, level } = noise;
    let of_its_own = match method {
        AttributionMethod::GradientShap { .. } => Some("GRADIENT_SHAP adds noise itself (`stdev`)"),
        AttributionMethod::Occlusion { .. } => Some("OCCLUSION has no gradient to smooth"),
        AttributionMethod::IntegratedGradients { .. }
        | AttributionMethod::Saliency { .. }
        | AttributionMethod::InputXGradient => None,
    };
    if let Some(reason) = of_its_own {
        return Err(Error::invalid("NOISE_UNSUPPORTED", "", format!("{reason}; leave the noise out")));
    }
    range("INVALID_SAMPLES", "samples", samples, 1, MOST_SAMPLES)?;
    match level {
        NoiseLevel::Relative(stdev) => validate_stdev("relative_stdev", stdev),
        NoiseLevel::Absolute(stdev) => validate_stdev("absolute_stdev", stdev),
    }
}

fn validate_baseline(baseline: &Baseline, image: &Preprocessing) -> Result<()> {
    let Preprocessing { height, width, channels, .. } = *image;
    match baseline {
        // An encoded image is checked once it is decoded, as `Custom`.
        Baseline::Zero | Baseline::Mean | Baseline::Encoded(_) => Ok(()),
        Baseline::Constant(value) => pixel("constant", *value),
        Baseline::Blur(stdev) if stdev.is_finite() && *stdev > 0.0 => Ok(()),
        Baseline::Blur(stdev) => {
            let description = format!("{stdev} is no standard deviation in pixels; use a finite one above 0");
            Err(Error::invalid("INVALID_BASELINE", "blur_stdev", description))
        }
        Baseline::Uniform(count) => range("INVALID_BASELINE", "uniform_count", *count, 1, MOST_SAMPLES),
        Baseline::Custom(pixels) => {
            let needed = height as usize * width as usize * channels as usize;
            if pixels.len() != needed {
                let description =
                    format!("{} values, an image of {height}x{width}x{channels} has {needed}", pixels.len());
                return Err(Error::invalid("INVALID_BASELINE", "custom", description));
            }
            pixels.iter().try_for_each(|value| pixel("custom", *value))
        }
    }
}

/// What would change nothing is refused, not passed over.
fn validate_use(method: AttributionMethod, baseline: &Baseline) -> Result<()> {
    let compares = match method {
        AttributionMethod::Saliency { .. } | AttributionMethod::InputXGradient => false,
        AttributionMethod::IntegratedGradients { .. }
        | AttributionMethod::GradientShap { .. }
        | AttributionMethod::Occlusion { .. } => true,
    };
    if compares || *baseline == Baseline::Zero {
        return Ok(());
    }
    let description =
        "SALIENCY and INPUT_X_GRADIENT compare the image with nothing, so a baseline has no effect; leave it out";
    Err(Error::invalid("CONFLICTING_FIELDS", "baseline", description))
}

fn pixel(field: &str, value: f32) -> Result<()> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid("INVALID_BASELINE", field, format!("{value} is no pixel value in [0, 1]")))
}

fn validate_stdev(field: &str, stdev: f64) -> Result<()> {
    if stdev.is_finite() && stdev >= 0.0 {
        return Ok(());
    }
    let description = format!("{stdev} is no standard deviation; use a finite one of at least 0");
    Err(Error::invalid("INVALID_STDEV", field, description))
}

fn range(reason: &'static str, field: &str, value: u32, least: u32, most: u32) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(reason, field, format!("{value} is not in {least}..={most}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attribution::{NoiseKind, QuadratureRule};
    use crate::ml::testing::spec;

    fn reason(change: impl FnOnce(&mut AttributionOptions)) -> (&'static str, String) {
        let mut options = AttributionOptions::default();
        change(&mut options);
        let error = validate(&options, &spec(3)).unwrap_err();
        (error.reason, error.violations[0].field.clone())
    }

    fn tunnel(samples: u32, stdev: f64) -> Option<NoiseTunnel> {
        Some(NoiseTunnel { kind: NoiseKind::SmoothGrad, samples, level: NoiseLevel::Relative(stdev) })
    }

    fn integrated(steps: u32, adaptive: bool) -> AttributionMethod {
        AttributionMethod::IntegratedGradients { rule: QuadratureRule::GaussLegendre, steps, adaptive }
    }

    #[test]
    fn defaults_pass() {
        validate(&AttributionOptions::default(), &spec(3)).unwrap();
    }

    #[test]
    fn each_bad_option_has_its_reason_and_field() {
        let expect = |found: (&'static str, String), reason, field: &str| assert_eq!(found, (reason, field.to_owned()));
        for steps in [0, 1025] {
            expect(
                reason(|options| options.method = integrated(steps, false)),
                "INVALID_STEPS",
                "integrated_gradients.steps",
            );
        }
        expect(reason(|options| options.method = integrated(513, true)), "INVALID_STEPS", "integrated_gradients.steps");
        let shap = |samples, stdev| AttributionMethod::GradientShap { samples, stdev };
        expect(reason(|options| options.method = shap(0, 0.1)), "INVALID_SAMPLES", "gradient_shap.samples");
        expect(reason(|options| options.method = shap(5, f64::NAN)), "INVALID_STDEV", "gradient_shap.stdev");
        let windows = |window, stride| AttributionMethod::Occlusion { window, stride };
        expect(reason(|options| options.method = windows(9, 1)), "INVALID_WINDOW", "occlusion.window");
        expect(reason(|options| options.method = windows(2, 3)), "INVALID_STRIDE", "occlusion.stride");
        expect(reason(|options| options.noise = tunnel(0, 0.1)), "INVALID_SAMPLES", "noise.samples");
        expect(reason(|options| options.noise = tunnel(1, -1.0)), "INVALID_STDEV", "noise.relative_stdev");
        expect(reason(|options| options.internal_batch_size = 5000), "INVALID_BATCH_SIZE", "internal_batch_size");
    }

    #[test]
    fn each_bad_baseline_has_its_field() {
        let bad = [
            (Baseline::Constant(1.5), "baseline.constant"),
            (Baseline::Blur(0.0), "baseline.blur_stdev"),
            (Baseline::Uniform(0), "baseline.uniform_count"),
            (Baseline::Custom(vec![0.5; 3]), "baseline.custom"),
            (Baseline::Custom(vec![f32::NAN; 192]), "baseline.custom"),
        ];
        for (baseline, field) in bad {
            assert_eq!(reason(|options| options.baseline = baseline), ("INVALID_BASELINE", field.to_owned()));
        }
    }

    #[test]
    fn a_baseline_that_changes_nothing_is_refused() {
        for method in [AttributionMethod::Saliency { signed: true }, AttributionMethod::InputXGradient] {
            let unused = reason(|options| (options.method, options.baseline) = (method, Baseline::Mean));
            assert_eq!(unused, ("CONFLICTING_FIELDS", "baseline".to_owned()));
        }
    }

    #[test]
    fn noise_is_for_plain_gradient_methods() {
        let methods = [
            AttributionMethod::Occlusion { window: 2, stride: 1 },
            AttributionMethod::GradientShap { samples: 5, stdev: 0.0 },
        ];
        for method in methods {
            let noisy = reason(|options| (options.method, options.noise) = (method, tunnel(5, 0.1)));
            assert_eq!(noisy, ("NOISE_UNSUPPORTED", "noise".to_owned()));
        }
    }

    #[test]
    fn the_target_must_be_a_class_of_the_model() {
        validate_target(Some(2), &spec(3)).unwrap();
        validate_target(None, &spec(3)).unwrap();
        assert_eq!(validate_target(Some(3), &spec(3)).unwrap_err().reason, "TARGET_OUT_OF_RANGE");
    }
}

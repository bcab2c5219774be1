//! attributions.proto: methods, baselines, noise. Ranges that depend on the model are checked by the engine.

use super::common::precision;
use super::fields::{known, number, within};
use crate::domain::attribution::{
    AttributionMethod, AttributionOptions, Baseline, NoiseKind, NoiseLevel, NoiseTunnel, QuadratureRule, TargetOutput,
};
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;
use crate::pb::v1::attribution_spec::{
    GradientShap, InputXGradient, IntegratedGradients, Method, Occlusion, Output, Saliency,
};

const MAX_STEPS: u32 = 1024;
const MAX_SAMPLES: u32 = 1000;
const MAX_BASELINES: u32 = 100;
const MAX_ROWS: u32 = 4096;
const MAX_SIDE: u32 = 65_536;
const DEFAULT_STEPS: u32 = 50;
const DEFAULT_SAMPLES: u32 = 5;
const DEFAULT_NOISE: f64 = 0.15;

impl TryFrom<pb::AttributionSpec> for AttributionOptions {
    type Error = Error;

    fn try_from(value: pb::AttributionSpec) -> Result<Self> {
        let pb::AttributionSpec {
            method,
            noise,
            baseline,
            output,
            precision: precision_number,
            internal_batch_size,
            infidelity,
            sensitivity,
            seed,
        } = value;
        Ok(Self {
            method: AttributionMethod::try_from(
                method.unwrap_or_else(|| Method::IntegratedGradients(IntegratedGradients::default())),
            )?,
            noise: noise.map(NoiseTunnel::try_from).transpose().map_err(|error| error.under("noise"))?,
            baseline: Baseline::try_from(baseline.unwrap_or_default()).map_err(|error| error.under("baseline"))?,
            output: target_output(output)?,
            precision: precision(precision_number, "precision")?,
            internal_batch_size: within(internal_batch_size, 0..=MAX_ROWS, "internal_batch_size")?,
            infidelity,
            sensitivity,
            seed,
        })
    }
}

impl From<AttributionOptions> for pb::AttributionSpec {
    fn from(value: AttributionOptions) -> Self {
        let AttributionOptions {
            method,
            noise,
            baseline,
            output,
            precision,
            internal_batch_size,
            infidelity,
            sensitivity,
            seed,
        } = value;
        Self {
            method: Some(method.into()),
            noise: noise.map(Into::into),
            baseline: Some(baseline.into()),
            output: Output::from(output).into(),
            precision: pb::Precision::from(precision).into(),
            internal_batch_size,
            infidelity,
            sensitivity,
            seed,
        }
    }
}

impl TryFrom<Method> for AttributionMethod {
    type Error = Error;

    fn try_from(value: Method) -> Result<Self> {
        Ok(match value {
            Method::IntegratedGradients(IntegratedGradients { rule, steps, adaptive }) => Self::IntegratedGradients {
                rule: quadrature_rule(rule, "integrated_gradients.rule")?,
                steps: within(steps.unwrap_or(DEFAULT_STEPS), 1..=MAX_STEPS, "integrated_gradients.steps")?,
                adaptive,
            },
            Method::Saliency(Saliency { signed }) => Self::Saliency { signed },
            Method::InputXGradient(InputXGradient {}) => Self::InputXGradient,
            Method::GradientShap(GradientShap { samples, stdev }) => Self::GradientShap {
                samples: sample_count(samples, "gradient_shap.samples")?,
                stdev: deviation(stdev, "gradient_shap.stdev")?,
            },
            Method::Occlusion(Occlusion { window, stride }) => Self::Occlusion {
                window: within(window, 0..=MAX_SIDE, "occlusion.window")?,
                stride: within(stride, 0..=MAX_SIDE, "occlusion.stride")?,
            },
        })
    }
}

impl From<AttributionMethod> for Method {
    fn from(value: AttributionMethod) -> Self {
        match value {
            AttributionMethod::IntegratedGradients { rule, steps, adaptive } => {
                let rule = pb::QuadratureRule::from(rule).into();
                Self::IntegratedGradients(IntegratedGradients { rule, steps: Some(steps), adaptive })
            }
            AttributionMethod::Saliency { signed } => Self::Saliency(Saliency { signed }),
            AttributionMethod::InputXGradient => Self::InputXGradient(InputXGradient {}),
            AttributionMethod::GradientShap { samples, stdev } => Self::GradientShap(GradientShap { samples, stdev }),
            AttributionMethod::Occlusion { window, stride } => Self::Occlusion(Occlusion { window, stride }),
        }
    }
}

fn sample_count(stated: u32, field: &str) -> Result<u32> {
    within(if stated == 0 { DEFAULT_SAMPLES } else { stated }, 1..=MAX_SAMPLES, field)
}

fn deviation(value: f64, field: &str) -> Result<f64> {
    number(value, |value| (0.0..=1e3).contains(&value), "from 0 to 1000", field)
}

pub(super) fn quadrature_rule(value: i32, field: &str) -> Result<QuadratureRule> {
    use pb::QuadratureRule as Wire;
    Ok(match known(value, field)? {
        Wire::Unspecified | Wire::GaussLegendre => QuadratureRule::GaussLegendre,
        Wire::Middle => QuadratureRule::Middle,
        Wire::Left => QuadratureRule::Left,
        Wire::Right => QuadratureRule::Right,
        Wire::Trapezoid => QuadratureRule::Trapezoid,
        Wire::CaptumTrapezoid => QuadratureRule::CaptumTrapezoid,
        Wire::LinspaceMean => QuadratureRule::LinspaceMean,
    })
}

impl From<QuadratureRule> for pb::QuadratureRule {
    fn from(value: QuadratureRule) -> Self {
        match value {
            QuadratureRule::GaussLegendre => Self::GaussLegendre,
            QuadratureRule::Middle => Self::Middle,
            QuadratureRule::Left => Self::Left,
            QuadratureRule::Right => Self::Right,
            QuadratureRule::Trapezoid => Self::Trapezoid,
            QuadratureRule::CaptumTrapezoid => Self::CaptumTrapezoid,
            QuadratureRule::LinspaceMean => Self::LinspaceMean,
        }
    }
}

impl TryFrom<pb::NoiseTunnel> for NoiseTunnel {
    type Error = Error;

    fn try_from(value: pb::NoiseTunnel) -> Result<Self> {
        use pb::noise_tunnel::{Kind, Level};
        let pb::NoiseTunnel { kind, samples, level } = value;
        Ok(Self {
            kind: match known(kind, "kind")? {
                Kind::Unspecified | Kind::Smoothgrad => NoiseKind::SmoothGrad,
                Kind::SmoothgradSquared => NoiseKind::SmoothGradSquared,
                Kind::Vargrad => NoiseKind::VarGrad,
            },
            samples: sample_count(samples, "samples")?,
            level: match level {
                None => NoiseLevel::Relative(DEFAULT_NOISE),
                Some(Level::RelativeStd(std)) => NoiseLevel::Relative(deviation(std, "relative_std")?),
                Some(Level::AbsoluteStd(std)) => NoiseLevel::Absolute(deviation(std, "absolute_std")?),
            },
        })
    }
}

impl From<NoiseTunnel> for pb::NoiseTunnel {
    fn from(value: NoiseTunnel) -> Self {
        use pb::noise_tunnel::{Kind, Level};
        let NoiseTunnel { kind, samples, level } = value;
        let kind = match kind {
            NoiseKind::SmoothGrad => Kind::Smoothgrad,
            NoiseKind::SmoothGradSquared => Kind::SmoothgradSquared,
            NoiseKind::VarGrad => Kind::Vargrad,
        };
        let level = match level {
            NoiseLevel::Relative(std) => Level::RelativeStd(std),
            NoiseLevel::Absolute(std) => Level::AbsoluteStd(std),
        };
        Self { kind: kind.into(), samples, level: Some(level) }
    }
}

impl TryFrom<pb::Baseline> for Baseline {
    type Error = Error;

    fn try_from(value: pb::Baseline) -> Result<Self> {
        use pb::baseline::{Kind, Mean, Zero};
        let pb::Baseline { kind } = value;
        let single = |value: f32, allowed: fn(f64) -> bool, rule: &str, field: &str| {
            number(value.into(), allowed, rule, field).map(|_| value)
        };
        Ok(match kind.unwrap_or(Kind::Zero(Zero {})) {
            Kind::Zero(Zero {}) => Self::Zero,
            Kind::Mean(Mean {}) => Self::Mean,
            Kind::Constant(pixel) => {
                Self::Constant(single(pixel, |pixel| (0.0..=1.0).contains(&pixel), "from 0 to 1", "constant")?)
            }
            Kind::Blur(std) => {
                Self::Blur(single(std, |std| std > 0.0 && std <= 1e3, "above 0 and at most 1000", "blur")?)
            }
            Kind::Uniform(count) => Self::Uniform(within(count, 1..=MAX_BASELINES, "uniform")?),
            Kind::Image(bytes) => Self::Encoded(bytes),
        })
    }
}

impl From<Baseline> for pb::Baseline {
    fn from(value: Baseline) -> Self {
        use pb::baseline::{Kind, Mean, Zero};
        let kind = match value {
            Baseline::Zero => Kind::Zero(Zero {}),
            Baseline::Mean => Kind::Mean(Mean {}),
            Baseline::Constant(pixel) => Kind::Constant(pixel),
            Baseline::Blur(std) => Kind::Blur(std),
            Baseline::Uniform(count) => Kind::Uniform(count),
            Baseline::Encoded(bytes) => Kind::Image(bytes),
            // Decoded on the way in; a specification holds the encoded image.
            Baseline::Custom(_) => Kind::Image(Vec::new()),
        };
        Self { kind: Some(kind) }
    }
}

pub(super) fn target_output(value: i32) -> Result<TargetOutput> {
    Ok(match known(value, "output")? {
        Output::Unspecified | Output::Logit => TargetOutput::Logit,
        Output::LogProbability => TargetOutput::LogProbability,
        Output::Probability => TargetOutput::Probability,
    })
}

impl From<TargetOutput> for Output {
    fn from(value: TargetOutput) -> Self {
        match value {
            TargetOutput::Logit => Self::Logit,
            TargetOutput::LogProbability => Self::LogProbability,
            TargetOutput::Probability => Self::Probability,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violated(spec: pb::AttributionSpec) -> String {
        AttributionOptions::try_from(spec).unwrap_err().violations[0].field.clone()
    }

    fn integrated(steps: u32) -> pb::AttributionSpec {
        let method = IntegratedGradients { steps: Some(steps), ..Default::default() };
        pb::AttributionSpec { method: Some(Method::IntegratedGradients(method)), ..Default::default() }
    }

    #[test]
    fn the_empty_request_is_integrated_gradients_of_fifty_steps() {
        let options = AttributionOptions::try_from(pb::AttributionSpec::default()).unwrap();
        assert_eq!(options, AttributionOptions::default());
        assert_eq!(AttributionOptions::try_from(pb::AttributionSpec::from(options.clone())).unwrap(), options);
    }

    #[test]
    fn wrong_numbers_are_named() {
        assert_eq!(violated(integrated(0)), "integrated_gradients.steps");
        assert_eq!(violated(integrated(5000)), "integrated_gradients.steps");
        let baseline =
            |kind| pb::AttributionSpec { baseline: Some(pb::Baseline { kind: Some(kind) }), ..Default::default() };
        assert_eq!(violated(baseline(pb::baseline::Kind::Constant(1.5))), "baseline.constant");
        assert_eq!(violated(baseline(pb::baseline::Kind::Blur(f32::NAN))), "baseline.blur");
        assert_eq!(violated(baseline(pb::baseline::Kind::Uniform(0))), "baseline.uniform");
        let noise = pb::NoiseTunnel { samples: 1001, ..Default::default() };
        assert_eq!(violated(pb::AttributionSpec { noise: Some(noise), ..Default::default() }), "noise.samples");
    }
}

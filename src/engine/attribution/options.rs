//! Options as they will run: defaults that depend on the model filled in, encoded baselines decoded, everything checked.

use super::super::sources::input_shape;
use crate::domain::Result;
use crate::domain::attribution::{AttributionMethod, AttributionOptions, Baseline};
use crate::domain::dataset::Pixels;
use crate::domain::model::ModelSpec;
use crate::ml::attribution::validate;
use crate::storage::datasets::decode_inline;

/// Errors name fields relative to the options.
pub(in crate::engine) fn complete(options: AttributionOptions, model: &ModelSpec) -> Result<AttributionOptions> {
    let options = AttributionOptions {
        method: sized(options.method, model),
        baseline: decoded(options.baseline, model)?,
        ..options
    };
    validate(&options, model)?;
    Ok(options)
}

/// Occlusion's window is an eighth of the height and its stride half the window where the caller does not say.
fn sized(method: AttributionMethod, model: &ModelSpec) -> AttributionMethod {
    let or = |stated: u32, otherwise: u32| if stated == 0 { otherwise.max(1) } else { stated };
    match method {
        AttributionMethod::Occlusion { window, stride } => {
            let window = or(window, model.preprocessing.height / 8);
            AttributionMethod::Occlusion { window, stride: or(stride, window / 2) }
        }
        AttributionMethod::IntegratedGradients { .. }
        | AttributionMethod::Saliency { .. }
        | AttributionMethod::InputXGradient
        | AttributionMethod::GradientShap { .. } => method,
    }
}

fn decoded(baseline: Baseline, model: &ModelSpec) -> Result<Baseline> {
    let bytes = match baseline {
        Baseline::Encoded(bytes) => bytes,
        Baseline::Zero
        | Baseline::Constant(_)
        | Baseline::Blur(_)
        | Baseline::Mean
        | Baseline::Uniform(_)
        | Baseline::Custom(_) => return Ok(baseline),
    };
    let image = decode_inline(&bytes, input_shape(model), model.preprocessing.resize);
    Ok(Baseline::Custom(match image.map_err(|error| error.about("baseline.image"))?.pixels {
        Pixels::Bytes(bytes) => bytes.into_iter().map(|value| f32::from(value) / 255.0).collect(),
        Pixels::Floats(floats) => floats,
    }))
}

//! attributions.proto: requests. Methods, baselines and noise are in `attribution_spec`.

use super::common::{each, required_source, selector, short_text};
use super::fields::{at_most, count, parsed, wire_count};
use super::names::ClassNames;
use crate::domain::attribution::{AttributeDatasetSpec, Attribution, AttributionOptions, AttributionReport};
use crate::domain::{Error, Result};
use crate::engine::{AttributeImages, AttributeInput, AttributedItem, InputImage};
use crate::pb::v1 as pb;
use crate::pb::v1::attribute_request::{Input, input::Image};

const MAX_INPUTS: usize = 256;
/// A megapixel image of three channels.
const MAX_PIXEL_VALUES: usize = 4_000_000;

/// An Attribute call: what is asked, and what the answer shows.
#[derive(Debug)]
pub(in crate::rpc) struct AttributeCall {
    pub(in crate::rpc) request: AttributeImages,
    pub(in crate::rpc) heat_map: bool,
    pub(in crate::rpc) omit_values: bool,
}

impl TryFrom<pb::AttributeRequest> for AttributeCall {
    type Error = Error;

    fn try_from(value: pb::AttributeRequest) -> Result<Self> {
        let pb::AttributeRequest { model, inputs, attribution, heat_map, omit_values } = value;
        if inputs.is_empty() {
            return Err(Error::invalid("MISSING_FIELD", "inputs", "is required: give at least one image"));
        }
        at_most(inputs.len(), MAX_INPUTS, "inputs")?;
        let request = AttributeImages {
            model: parsed(&model, "model")?,
            inputs: each(inputs, "inputs", input)?,
            options: options(attribution)?,
        };
        Ok(Self { request, heat_map, omit_values })
    }
}

fn input(value: Input) -> Result<AttributeInput> {
    let Input { image, target_class } = value;
    let missing = "is required: give `encoded`, `pixels` or `sample`";
    let image = match image.ok_or_else(|| Error::invalid("MISSING_FIELD", "image", missing))? {
        Image::Encoded(bytes) => InputImage::Encoded(bytes),
        Image::Pixels(pixels) => {
            at_most(pixels.values.len(), MAX_PIXEL_VALUES, "pixels.values")?;
            InputImage::Pixels(pixels.values)
        }
        Image::Sample(sample) => InputImage::Sample {
            source: required_source(sample.source, "sample.source")?,
            index: count(sample.index, "sample.index")?,
        },
    };
    Ok(AttributeInput { image, target_class: short_text(target_class, "target_class")? })
}

pub(super) fn options(value: Option<pb::AttributionSpec>) -> Result<AttributionOptions> {
    AttributionOptions::try_from(value.unwrap_or_default()).map_err(|error| error.under("attribution"))
}

impl TryFrom<pb::AttributeDatasetRequest> for AttributeDatasetSpec {
    type Error = Error;

    fn try_from(value: pb::AttributeDatasetRequest) -> Result<Self> {
        let pb::AttributeDatasetRequest {
            model,
            source,
            selector: selected,
            attribution,
            target_class,
            uri,
            overwrite,
            max_samples,
            request_id: _,
            priority: _,
            timeout: _,
        } = value;
        Ok(Self {
            model: parsed(&model, "model")?,
            source: required_source(source, "source")?,
            selector: selector(selected, "selector")?,
            options: options(attribution)?,
            target_class: short_text(target_class, "target_class")?,
            uri,
            overwrite,
            max_samples,
        })
    }
}

impl From<AttributeDatasetSpec> for pb::AttributeDatasetRequest {
    fn from(value: AttributeDatasetSpec) -> Self {
        let AttributeDatasetSpec { model, source, selector, options, target_class, uri, overwrite, max_samples } =
            value;
        Self {
            model: model.to_string(),
            source: Some(source.into()),
            selector: Some(selector.into()),
            attribution: Some(options.into()),
            target_class,
            uri,
            overwrite,
            max_samples,
            ..Self::default()
        }
    }
}

impl AttributeCall {
    /// One item of the answer. `heat_map`: the PNG, where it was asked for.
    pub(in crate::rpc) fn response(
        item: AttributedItem,
        names: &ClassNames,
        omit_values: bool,
        heat_map: Vec<u8>,
    ) -> pb::AttributeResponse {
        let AttributedItem { index, version, outcome } = item;
        let head = pb::AttributeResponse { index, model_version: version.to_string(), ..Default::default() };
        match outcome {
            Ok(attribution) => attributed(head, attribution, names, omit_values, heat_map),
            Err(error) => pb::AttributeResponse { failure: Some(failure(&error)), ..head },
        }
    }
}

pub(super) fn failure(error: &Error) -> pb::attribute_response::Failure {
    let told = crate::rpc::status::told(error);
    pb::attribute_response::Failure { code: told.code, reason: told.reason, message: told.message }
}

fn attributed(
    head: pb::AttributeResponse,
    attribution: Attribution,
    names: &ClassNames,
    omit_values: bool,
    heat_map: Vec<u8>,
) -> pb::AttributeResponse {
    let Attribution {
        values,
        channels,
        height,
        width,
        target,
        output,
        baseline_output,
        delta,
        relative_delta,
        converged,
        is_complete,
        steps,
        infidelity,
        sensitivity,
        is_baseline,
    } = attribution;
    pb::AttributeResponse {
        target_index: target,
        target_name: names.of(target),
        values: if omit_values { Vec::new() } else { values },
        channels,
        height,
        width,
        output,
        baseline_output,
        delta: is_complete.then_some(delta),
        relative_delta: is_complete.then_some(relative_delta),
        converged: is_complete.then_some(converged),
        steps,
        infidelity,
        sensitivity,
        is_baseline,
        heat_map,
        ..head
    }
}

impl From<AttributionReport> for pb::AttributionReport {
    fn from(value: AttributionReport) -> Self {
        let AttributionReport {
            version,
            uri,
            sha256,
            size_bytes,
            sample_count,
            mean_relative_delta,
            max_relative_delta,
            converged_count,
            mean_infidelity,
            mean_sensitivity,
            seconds,
            provenance,
        } = value;
        Self {
            model_version: version.to_string(),
            uri,
            sha256,
            size_bytes,
            sample_count: wire_count(sample_count),
            mean_relative_delta,
            max_relative_delta,
            converged_count: converged_count.map(wire_count),
            mean_infidelity,
            mean_sensitivity,
            seconds,
            provenance: Some(provenance.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violated(inputs: Vec<Input>) -> String {
        let request = pb::AttributeRequest { model: "m".into(), inputs, ..Default::default() };
        AttributeCall::try_from(request).unwrap_err().violations[0].field.clone()
    }

    #[test]
    fn inputs_are_named_by_position() {
        assert_eq!(violated(vec![]), "inputs");
        let good = Input { image: Some(Image::Encoded(vec![1])), target_class: String::new() };
        assert_eq!(violated(vec![good.clone(), Input::default()]), "inputs[1].image");
        let sample = pb::attribute_request::input::Sample { source: None, index: 0 };
        let sample = Input { image: Some(Image::Sample(sample)), target_class: String::new() };
        assert_eq!(violated(vec![sample]), "inputs[0].sample.source");
        assert_eq!(violated(vec![good; 257]), "inputs");
    }
}

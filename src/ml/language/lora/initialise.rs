//! A new adapter: A uniform in ±1/√in, B zero, so that nothing changes before the first step.

use std::collections::BTreeMap;

use rand::Rng;
use tch::{Device, Kind, Tensor};

use super::adapter::{Adapter, LowRank};
use super::targets::{LayerShape, select};
use crate::domain::text_training::LoraSpec;
use crate::domain::{Error, Result};
use crate::ml::random::{Purpose, stream};
use crate::ml::torch::torch_error;

/// Beyond it the product of an adapter is no number in f32 soon.
const LARGEST_ALPHA: f64 = 1e6;

impl Adapter {
    /// In f32 on `device`. `base` has every linear layer of the model but the head; a layer's values depend on its place there.
    pub fn initialise(spec: &LoraSpec, base: &[LayerShape], seed: u64, device: Device) -> Result<Self> {
        validate(spec)?;
        let chosen = select(&spec.targets, base)?;
        let numbered =
            base.iter().enumerate().filter(|(_, layer)| chosen.iter().any(|chosen| chosen.path == layer.path));
        let layers =
            numbered.map(|(index, layer)| Ok((layer.path.clone(), low_rank(spec, layer, seed, index as u64, device)?)));
        Ok(Self::new(layers.collect::<Result<BTreeMap<_, _>>>()?))
    }
}

fn low_rank(spec: &LoraSpec, layer: &LayerShape, seed: u64, index: u64, device: Device) -> Result<LowRank> {
    let rank = i64::from(spec.rank);
    let bound = 1.0 / (layer.inputs.max(1) as f32).sqrt();
    let mut random = stream(seed, Purpose::Adapter, index);
    let values: Vec<f32> = (0..rank * layer.inputs).map(|_| random.random_range(-bound..=bound)).collect();
    let make = || {
        let a = Tensor::f_from_slice(&values)?.f_view([rank, layer.inputs])?.f_to_device(device)?;
        Ok(LowRank { a, b: Tensor::f_zeros([layer.outputs, rank], (Kind::Float, device))?, scale: spec.scale() })
    };
    make().map_err(torch_error("create an adapter"))
}

/// Refuses settings that mean no adapter. Fields are named relative to the spec.
pub(super) fn validate(spec: &LoraSpec) -> Result<()> {
    let refuse = |field, description: String| Err(Error::invalid("INVALID_ADAPTER", field, description));
    if spec.rank == 0 {
        return refuse("rank", "must be at least 1, got 0".to_owned());
    }
    if !(spec.alpha > 0.0 && spec.alpha <= LARGEST_ALPHA) {
        return refuse("alpha", format!("must be above 0 and at most {LARGEST_ALPHA}, got {}", spec.alpha));
    }
    match (0.0..1.0).contains(&spec.dropout) {
        true => Ok(()),
        false => refuse("dropout", format!("must be at least 0 and below 1, got {}", spec.dropout)),
    }
}

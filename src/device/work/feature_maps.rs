//! Where in an image directions of the embedding show: the cells of the last feature map, projected.
//!
//! The embedding of a built-in architecture is the mean of these cells, so a projection of the embedding is the mean of the map:
//! a map says which part of the image the projection comes from.

use std::rc::Rc;
use std::sync::Arc;

use tch::{Kind, Tensor};

use crate::device::{Demand, ModelSource, Reservation, Residents, Work};
use crate::domain::dataset::{ImageShape, ImageSource};
use crate::domain::finetune::Precision;
use crate::domain::{Error, Result};
use crate::ml::backbone::Differentiable;
use crate::ml::step::{Outcome, Position, Reporter, Task};
use crate::ml::torch::{NoGrad, images_to_tensor, torch_error};

const BATCH: usize = 128;

#[derive(Debug)]
pub struct FeatureMaps {
    pub model: ModelSource,
    pub images: Arc<dyn ImageSource>,
    /// Samples of the split, each with the index of the direction to project on.
    pub samples: Vec<(usize, usize)>,
    /// Directions of the embedding's length.
    pub directions: Vec<Vec<f32>>,
    pub precision: Precision,
}

/// One map a sample, `height x width`, row after row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConceptMaps {
    pub height: usize,
    pub width: usize,
    pub maps: Vec<Vec<f32>>,
}

impl Work for FeatureMaps {
    type Output = ConceptMaps;

    fn start(self, residents: &mut Residents) -> Result<Box<dyn Task<Output = ConceptMaps>>> {
        let model = residents.differentiable(&self.model, self.precision)?;
        let need = residents.need(&self.model, &Demand::Maps { precision: self.precision })?;
        let reservation = residents.reserve(&format!("mapping concepts with `{}`", self.model.version), need)?;
        Ok(Box::new(Mapping { model, work: self, result: ConceptMaps::default(), _reservation: reservation }))
    }
}

struct Mapping {
    model: Rc<Differentiable>,
    work: FeatureMaps,
    result: ConceptMaps,
    _reservation: Reservation,
}

impl Task for Mapping {
    type Output = ConceptMaps;

    fn step(&mut self, _reporter: &mut dyn Reporter) -> Result<Outcome<ConceptMaps>> {
        let begin = self.result.maps.len();
        let end = self.work.samples.len().min(begin + BATCH);
        if begin < end {
            self.map(begin, end)?;
        }
        if end < self.work.samples.len() {
            return Ok(Outcome::Continue);
        }
        Ok(Outcome::Done(std::mem::take(&mut self.result)))
    }

    fn position(&self) -> Position {
        let batches = |samples: usize| samples.div_ceil(BATCH) as u64;
        Position {
            stage: "concept maps",
            step: batches(self.result.maps.len()),
            total: batches(self.work.samples.len()),
        }
    }
}

impl Mapping {
    fn map(&mut self, begin: usize, end: usize) -> Result<()> {
        let _guard = NoGrad::enter();
        let samples = &self.work.samples[begin..end];
        let positions: Vec<usize> = samples.iter().map(|(position, _)| *position).collect();
        let image = &self.model.spec().preprocessing;
        let shape = ImageShape { height: image.height, width: image.width, channels: image.channels };
        let batch = self.work.images.read(&positions, shape, image.resize)?;
        let batch = images_to_tensor(&batch, image, self.model.device())?;
        let features = self.model.feature_map(&batch)?.ok_or_else(no_map)?;
        let directions: Vec<f32> =
            samples.iter().flat_map(|(_, direction)| &self.work.directions[*direction]).copied().collect();
        let maps = project(&features, &directions).map_err(torch_error("project the feature maps"))?;
        self.take(&maps)
    }

    fn take(&mut self, maps: &Tensor) -> Result<()> {
        let size = maps.size();
        (self.result.height, self.result.width) = (size[1] as usize, size[2] as usize);
        let values: Vec<f32> = maps
            .f_to_device(tch::Device::Cpu)
            .and_then(|maps| Vec::try_from(maps.f_contiguous()?.f_view([-1])?))
            .map_err(torch_error("read the concept maps"))?;
        let cells = self.result.height * self.result.width;
        self.result.maps.extend(values.chunks_exact(cells.max(1)).map(<[f32]>::to_vec));
        Ok(())
    }
}

/// Cells `[N,C,h,w]` along one direction a sample, `[N,h,w]`.
fn project(features: &Tensor, directions: &[f32]) -> std::result::Result<Tensor, tch::TchError> {
    let size = features.size();
    let directions = Tensor::f_from_slice(directions)?.f_view([size[0], size[1], 1, 1])?;
    let directions = directions.f_to_device(features.device())?;
    features.f_to_kind(Kind::Float)?.f_mul(&directions)?.f_sum_dim_intlist(1_i64, false, Kind::Float)
}

fn no_map() -> Error {
    let message = "a TorchScript model shows no feature map, so patches cannot be localised; use the image modes CENTER, \
                   RANDOM_POSITION, FULL or NONE, or a built-in architecture";
    Error::failed_precondition("FEATURE_MAP_MISSING", message)
}

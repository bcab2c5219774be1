//! What a version answers on samples of a split: the input of evaluation, membership inference and donor choice.

use std::sync::Arc;

use super::part::Part;
use crate::device::{ModelSource, Residents, Work};
use crate::domain::dataset::ImageSource;
use crate::domain::finetune::Precision;
use crate::domain::{Error, Result};
use crate::ml::evaluation::Predictions;
use crate::ml::step::Task;

#[derive(Debug)]
pub struct Predict {
    pub model: ModelSource,
    pub images: Arc<dyn ImageSource>,
    /// Samples of the split, in the order of the answer.
    pub positions: Vec<usize>,
    /// Class of the model of each of them.
    pub labels: Vec<u32>,
    pub precision: Precision,
}

impl Work for Predict {
    type Output = Predictions;

    fn start(self, _residents: &mut Residents) -> Result<Box<dyn Task<Output = Predictions>>> {
        let Self { model: _, images, positions, labels, precision: _ } = self;
        let _part = Part::new(images, positions, labels)?;
        Err(Error::internal("not built yet"))
    }
}

//! What a version answers on every sample of a split: the input of evaluation, membership inference and donor choice.

use std::sync::Arc;

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
    pub precision: Precision,
}

impl Work for Predict {
    type Output = Predictions;

    fn start(self, _residents: &mut Residents) -> Result<Box<dyn Task<Output = Predictions>>> {
        Err(Error::internal("not built yet"))
    }
}

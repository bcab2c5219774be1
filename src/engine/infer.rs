//! Inference on images that came with the request.

use super::handle::Engine;
use super::requests::InferImages;
use super::sources::input_shape;
use super::views::Inferred;
use crate::domain::{Error, Result};

impl Engine {
    /// Logits, in the interactive lane. A version that is not resident is loaded first.
    ///
    /// # Cancel safety
    /// A dropped request is skipped unless it is running already.
    pub async fn infer(&self, request: InferImages) -> Result<Inferred> {
        self.core.check_ready()?;
        let model = self.core.find_model(&request.model).await?;
        model.spec().check_takes_images()?;
        let (given, wanted) = (request.images.shape, input_shape(model.spec()));
        if given != wanted {
            let description = format!("the images are {given}, the model takes {wanted} (height, width, channels)");
            return Err(Error::invalid("IMAGE_SIZE_MISMATCH", "inputs", description));
        }
        let count = request.images.count;
        let logits = model.device.infer(model.source.clone(), request.images).await?;
        Ok(Inferred { version: model.version.name, count, class_count: logits.class_count, logits: logits.values })
    }
}

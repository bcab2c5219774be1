//! Logits of inline images.

use crate::device::{DeviceHandle, ModelSource};
use crate::domain::dataset::ImageBatch;
use crate::domain::{Error, Result};

/// `values[row * class_count + class]`, one row an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Logits {
    pub class_count: u32,
    pub values: Vec<f32>,
}

impl DeviceHandle {
    /// Loads the version if it is not resident and answers with its logits on `images` (of the model's shape, not yet normalised).
    pub async fn infer(&self, source: ModelSource, images: ImageBatch) -> Result<Logits> {
        self.call(move |_| Err(Error::internal(format!("not built yet: {source:?} {}", images.count)))).await
    }
}

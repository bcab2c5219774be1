//! Logits of inline images.

use tch::{Kind, Tensor};

use crate::device::{Demand, DeviceHandle, ModelSource, Residents};
use crate::domain::Result;
use crate::domain::dataset::ImageBatch;
use crate::ml::backbone::BnMode;
use crate::ml::torch::{NoGrad, images_to_tensor, torch_error};

/// `values[row * class_count + class]`, one row an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Logits {
    pub class_count: u32,
    pub values: Vec<f32>,
}

impl DeviceHandle {
    /// Loads the version if it is not resident and answers with its logits on `images` (of the model's shape, not yet normalised).
    pub async fn infer(&self, source: ModelSource, images: ImageBatch) -> Result<Logits> {
        self.call(move |residents| infer(residents, &source, &images)).await
    }
}

fn infer(residents: &mut Residents, source: &ModelSource, images: &ImageBatch) -> Result<Logits> {
    let backbone = residents.lease(source)?;
    let need = residents.need(source, &Demand::Infer { images: images.count })?;
    let _reservation = residents.reserve(&format!("inference with `{}`", source.version), need)?;
    let _no_grad = NoGrad::enter();
    let input = images_to_tensor(images, &backbone.spec().preprocessing, backbone.device())?;
    let logits = backbone.forward(&input, BnMode::Eval)?;
    Ok(Logits { class_count: backbone.spec().class_count, values: to_values(&logits)? })
}

/// The tensor's values in C order.
fn to_values(tensor: &Tensor) -> Result<Vec<f32>> {
    let failed = torch_error("read the logits");
    let flat =
        tensor.f_to_dtype(Kind::Float, false, false).and_then(|tensor| tensor.f_reshape([-1])).map_err(&failed)?;
    Vec::try_from(flat).map_err(failed)
}

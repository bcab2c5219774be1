//! Attribution: inline images found and answered one by one; options completed and checked for calls and jobs alike.

mod inputs;
mod options;

pub(super) use options::complete;

use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};

use super::classes::class_named;
use super::core::Core;
use super::failure::blocking;
use super::handle::Engine;
use super::requests::{AttributeImages, AttributeInput};
use super::sources::ModelUse;
use super::views::AttributedItem;
use crate::device::work::{AttributedImage, AttributionCall};
use crate::domain::attribution::Attribution;
use crate::domain::dataset::ImageBatch;
use crate::domain::model::ModelSpec;
use crate::domain::{Error, Result};
use crate::storage::images;

impl Engine {
    /// Answers image by image, in order, as they are ready; clients take turns. `heat_map`: with a picture of each, as PNG.
    ///
    /// # Errors
    /// What an input or an option has wrong, before anything is computed; what concerns one image alone is in its item.
    ///
    /// # Cancel safety
    /// Dropping the stream ends the work after its current step.
    pub async fn attribute(
        &self,
        request: AttributeImages,
        client: String,
        heat_map: bool,
    ) -> Result<impl Stream<Item = (AttributedItem, Vec<u8>)> + Send + use<>> {
        let core = &self.core;
        core.check_ready()?;
        let AttributeImages { model, inputs, options } = request;
        let model = core.find_model(&model).await?;
        model.spec().check_takes_images()?;
        let options = complete(options, model.spec()).map_err(|error| error.under("attribution"))?;
        let targets = targets(&inputs, &model)?;
        let images = core.input_images(inputs, model.spec()).await?;
        let call = AttributionCall { model: model.source.clone(), options, images: images.clone(), targets, client };
        let answers = ReceiverStream::new(model.device.attribute(call)?);
        let version = model.version.name;
        let item = move |AttributedImage { index, outcome }: AttributedImage| {
            let picture = match &outcome {
                Ok(attribution) if heat_map => picture(attribution, &images, index),
                Ok(_) | Err(_) => Vec::new(),
            };
            (AttributedItem { index: index as u32, version: version.clone(), outcome }, picture)
        };
        Ok(answers.map(item))
    }
}

/// The class to explain of each input.
fn targets(inputs: &[AttributeInput], model: &ModelUse) -> Result<Vec<Option<u32>>> {
    let spec = model.spec();
    let target = |(index, class): (usize, &String)| match class.is_empty() {
        true => Ok(None),
        false => class_named(class, &spec.class_names, spec.class_count)
            .map(Some)
            .map_err(|error| error.under(&format!("inputs[{index}].target_class"))),
    };
    inputs.iter().map(|input| &input.target_class).enumerate().map(target).collect()
}

/// None for images that no picture shows.
fn picture(attribution: &Attribution, images: &ImageBatch, index: usize) -> Vec<u8> {
    images::heat_map(attribution, images, index).unwrap_or_default()
}

impl Core {
    async fn input_images(&self, inputs: Vec<AttributeInput>, model: &ModelSpec) -> Result<ImageBatch> {
        let mut found = Vec::with_capacity(inputs.len());
        for (index, input) in inputs.into_iter().enumerate() {
            let named = |error: Error| error.under(&format!("inputs[{index}]"));
            found.push(self.found(input.image).await.map_err(named)?);
        }
        let model = model.clone();
        blocking(move || inputs::batch(found, &model)).await
    }
}

//! Activations below the head of samples of a split: the input of everything about concepts.

use std::sync::Arc;

use super::part::Part;
use crate::device::{Demand, ModelSource, Reservation, Residents, Work};
use crate::domain::dataset::ImageSource;
use crate::domain::finetune::Precision;
use crate::domain::{Error, Result};
use crate::ml::activations::{EmbedTask, Embeddings};
use crate::ml::backbone::Backbone;
use crate::ml::step::{Outcome, Position, Reporter, Task};

#[derive(Debug)]
pub struct Embed {
    pub model: ModelSource,
    pub images: Arc<dyn ImageSource>,
    /// Samples of the split, in the order of the answer.
    pub positions: Vec<usize>,
    pub precision: Precision,
}

impl Work for Embed {
    type Output = Embeddings;

    /// # Errors
    /// `EMBED_NOT_EXPORTED` for a model without an embedding.
    fn start(self, residents: &mut Residents) -> Result<Box<dyn Task<Output = Embeddings>>> {
        let Self { model, images, positions, precision } = self;
        let backbone = residents.lease(&model)?;
        check_embed(&backbone)?;
        let purpose = format!("embedding with `{}`", model.version);
        let need = residents.need(&model, &Demand::Embed { precision, samples: positions.len() })?;
        let reservation = residents.reserve(&purpose, need)?;
        let cache = residents.cache();
        let task = if EmbedTask::takes_whole(&backbone, &images, positions.len(), precision, cache)? {
            EmbedTask::new(&backbone, images, Some(positions), precision, cache)?
        } else {
            let labels = vec![0; positions.len()];
            EmbedTask::new(&backbone, Arc::new(Part::new(images, positions, labels)?), None, precision, cache)?
        };
        Ok(Box::new(Embedding { task, _reservation: reservation }))
    }
}

/// Refuses a model whose features cannot be had, with what to do about it.
pub(super) fn check_embed(backbone: &Backbone) -> Result<()> {
    if backbone.has_embed() {
        return Ok(());
    }
    let message = "this TorchScript model exports no `embed` and `head`, so it has no concepts; mark both methods with \
                   @torch.jit.export and load it again, or use a built-in architecture. Scope ALL works without";
    Err(Error::failed_precondition("EMBED_NOT_EXPORTED", message))
}

struct Embedding {
    task: EmbedTask,
    _reservation: Reservation,
}

impl Task for Embedding {
    type Output = Embeddings;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<Embeddings>> {
        self.task.step(reporter)
    }

    fn position(&self) -> Position {
        self.task.position()
    }
}

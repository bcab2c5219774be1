//! Attributions of samples of a split, written to a file as they come.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use crate::device::{ModelSource, Reservation, Residents, Work};
use crate::domain::attribution::{Attribution, AttributionOptions};
use crate::domain::dataset::{ImageShape, ImageSource};
use crate::domain::{Error, Result};
use crate::ml::attribution::{ArtefactShape, ArtefactWriter, AttributionTask, Finished, Item};
use crate::ml::backbone::Differentiable;
use crate::ml::step::{Outcome, Position, Reporter, Task};

/// Samples that are read and attributed together.
const GROUP: usize = 64;

#[derive(Debug)]
pub struct AttributeSamples {
    pub model: ModelSource,
    pub images: Arc<dyn ImageSource>,
    /// Samples of the split, each with the class that is explained.
    pub samples: Vec<(usize, u32)>,
    pub options: AttributionOptions,
    /// Where the file is written.
    pub destination: PathBuf,
    /// What stands in the file's metadata.
    pub metadata: Vec<(&'static str, String)>,
}

/// What the attributions came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AttributedSamples {
    pub count: u64,
    pub relative_delta_sum: f64,
    pub max_relative_delta: f64,
    pub converged_count: u64,
    pub infidelity_sum: f64,
    /// Samples that have one.
    pub infidelity_count: u64,
    pub sensitivity_sum: f64,
}

impl Work for AttributeSamples {
    type Output = AttributedSamples;

    fn start(self, residents: &mut Residents) -> Result<Box<dyn Task<Output = AttributedSamples>>> {
        let model = residents.differentiable(&self.model, self.options.precision)?;
        let reservation = residents.reserve_attribution(&self.model, &self.options)?;
        let image = &model.spec().preprocessing;
        let shape = ArtefactShape {
            samples: self.samples.len(),
            channels: image.channels as usize,
            height: image.height as usize,
            width: image.width as usize,
        };
        let writer = ArtefactWriter::create(&self.destination, shape, &self.metadata)?;
        Ok(Box::new(Attributing {
            model,
            work: self,
            writer: Some(writer),
            group: None,
            sums: AttributedSamples::default(),
            _reservation: reservation,
        }))
    }
}

struct Attributing {
    model: Rc<Differentiable>,
    work: AttributeSamples,
    writer: Option<ArtefactWriter>,
    /// The samples under way: where they begin, and their task.
    group: Option<(usize, AttributionTask)>,
    sums: AttributedSamples,
    _reservation: Reservation,
}

impl Task for Attributing {
    type Output = AttributedSamples;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<AttributedSamples>> {
        let (begin, mut task) = match self.group.take() {
            Some(group) => group,
            None => self.next_group()?,
        };
        let outcome = task.step(reporter)?;
        while let Some(Finished { index, attribution }) = task.finished() {
            let position = self.work.samples[begin + index].0;
            let attribution = attribution.map_err(|error| about(position, error))?;
            self.take(position, &attribution)?;
        }
        if let Outcome::Continue = outcome {
            self.group = Some((begin, task));
        }
        if self.sums.count < self.work.samples.len() as u64 {
            return Ok(Outcome::Continue);
        }
        let writer = self.writer.take().ok_or_else(|| Error::internal("the attributions are written already"))?;
        writer.finish()?;
        Ok(Outcome::Done(std::mem::take(&mut self.sums)))
    }

    fn position(&self) -> Position {
        Position { stage: "attribute", step: self.sums.count, total: self.work.samples.len() as u64 }
    }
}

impl Attributing {
    fn next_group(&self) -> Result<(usize, AttributionTask)> {
        let begin = self.sums.count as usize;
        let samples = &self.work.samples[begin..self.work.samples.len().min(begin + GROUP)];
        let positions: Vec<usize> = samples.iter().map(|(position, _)| *position).collect();
        let targets: Vec<Option<u32>> = samples.iter().map(|(_, target)| Some(*target)).collect();
        let image = &self.model.spec().preprocessing;
        let shape = ImageShape { height: image.height, width: image.width, channels: image.channels };
        let images = self.work.images.read(&positions, shape, image.resize)?;
        let (spec, device) = (self.model.spec(), self.model.device());
        let items = Item::from_images(&images, &targets, begin as u64, spec, device)?;
        Ok((begin, AttributionTask::new(self.model.clone(), self.work.options.clone(), items)?))
    }

    fn take(&mut self, position: usize, attribution: &Attribution) -> Result<()> {
        if let Some(writer) = &mut self.writer {
            writer.append(position, attribution)?;
        }
        let sums = &mut self.sums;
        sums.count += 1;
        sums.relative_delta_sum += attribution.relative_delta;
        sums.max_relative_delta = sums.max_relative_delta.max(attribution.relative_delta);
        sums.converged_count += u64::from(attribution.converged);
        sums.infidelity_sum += attribution.infidelity.unwrap_or_default();
        sums.infidelity_count += u64::from(attribution.infidelity.is_some());
        sums.sensitivity_sum += attribution.sensitivity.unwrap_or_default();
        Ok(())
    }
}

fn about(position: usize, error: Error) -> Error {
    let message = format!("sample {position}: {}", error.message);
    Error { message, ..error }
}

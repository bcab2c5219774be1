//! A toy problem for the tests of training: small images whose class is their colour and brightness, plus noise.

use rand::Rng;

use crate::domain::Result;
use crate::domain::dataset::{ImageBatch, ImageShape, ImageSource, Pixels};
use crate::domain::job::EventBody;
use crate::domain::model::{Layout, ModelFormat, ModelSpec, Preprocessing, Resize};
use crate::ml::random::{Purpose, stream};
use crate::ml::step::{Outcome, Reporter, Task};

pub(crate) const SHAPE: ImageShape = ImageShape { height: 8, width: 8, channels: 3 };

/// `count` images of `class_count` classes in turn.
#[derive(Debug)]
pub(crate) struct ToySource {
    key: String,
    labels: Vec<u32>,
    seed: u64,
}

impl ToySource {
    pub(crate) fn new(count: usize, class_count: u32, seed: u64) -> Self {
        let labels = (0..count).map(|position| position as u32 % class_count).collect();
        Self { key: format!("toy-{count}-{class_count}-{seed}"), labels, seed }
    }

    /// Each class has its own mixture of the three colours.
    fn image(&self, position: usize) -> impl Iterator<Item = u8> + use<> {
        let mut random = stream(self.seed, Purpose::Split, position as u64);
        let label = self.labels[position];
        let colour = [label & 1, label >> 1 & 1, label >> 2 & 1];
        (0..SHAPE.value_count())
            .map(move |value| (colour[value % 3] * 120 + random.random_range(20..100)).min(255) as u8)
    }
}

impl ImageSource for ToySource {
    fn key(&self) -> &str {
        &self.key
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn read(&self, positions: &[usize], shape: ImageShape, _resize: Resize) -> Result<ImageBatch> {
        let pixels = positions.iter().flat_map(|&position| self.image(position)).collect();
        Ok(ImageBatch { count: positions.len(), shape, pixels: Pixels::Bytes(pixels) })
    }
}

pub(crate) fn preprocessing() -> Preprocessing {
    let (mean, std) = (vec![0.5; 3], vec![0.25; 3]);
    Preprocessing { height: 8, width: 8, channels: 3, mean, std, layout: Layout::Nchw, resize: Resize::None }
}

pub(crate) fn spec(class_count: u32) -> ModelSpec {
    ModelSpec {
        format: ModelFormat::Safetensors,
        architecture: "small_cnn".into(),
        class_count,
        class_names: Vec::new(),
        preprocessing: preprocessing(),
        text: None,
    }
}

/// Keeps every event.
#[derive(Debug, Default)]
pub(crate) struct Events(pub(crate) Vec<EventBody>);

impl Reporter for Events {
    fn event(&mut self, event: EventBody) -> Result<()> {
        self.0.push(event);
        Ok(())
    }
}

/// Steps a task to its end.
pub(crate) fn complete<T: Task>(task: &mut T, events: &mut Events) -> Result<T::Output> {
    loop {
        if let Outcome::Done(output) = task.step(events)? {
            return Ok(output);
        }
    }
}

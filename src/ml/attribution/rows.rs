//! Memory for the rows of a step, used again in every step.

use tch::{Device, TchError, Tensor};

use crate::domain::Result;
use crate::domain::attribution::AttributionOptions;
use crate::domain::model::ModelSpec;
use crate::ml::torch::torch_error;

/// Rows of a step: as asked for, else as many as a step of some 100 ms takes, on a CPU 32 at most (their activations stay in the
/// cache), many more on a GPU.
pub fn chunk_rows(options: &AttributionOptions, spec: &ModelSpec, device: Device) -> usize {
    if options.internal_batch_size > 0 {
        return options.internal_batch_size as usize;
    }
    let (pixels, most) = if device.is_cuda() { (1 << 22, 512) } else { (1 << 17, 32) };
    let image = spec.preprocessing.height as usize * spec.preprocessing.width as usize;
    (pixels / image.max(1)).clamp(1, most)
}

/// Rows that share a forward pass, filled from the front.
#[derive(Debug)]
pub(super) struct Rows {
    capacity: usize,
    used: usize,
    /// `[capacity,C,H,W]` in channels_last, once the shape is known.
    memory: Option<Tensor>,
}

impl Rows {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, used: 0, memory: None }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    pub(super) fn free(&self) -> usize {
        self.capacity - self.used
    }

    /// The next `count` rows, at most `free`, of the shape and type of `like` `[1,C,H,W]`, to be written.
    pub(super) fn take(&mut self, count: usize, like: &Tensor) -> Result<Tensor> {
        debug_assert!(count <= self.free());
        let rows = self.narrow(self.used, count, like).map_err(torch_error("make room for rows"))?;
        self.used += count;
        Ok(rows)
    }

    fn narrow(&mut self, first: usize, count: usize, like: &Tensor) -> std::result::Result<Tensor, TchError> {
        let memory = match self.memory.take() {
            Some(memory) => memory,
            None => {
                let (_, channels, height, width) = like.size4()?;
                let size = [self.capacity as i64, height, width, channels];
                Tensor::f_empty(size, (like.kind(), like.device()))?.f_permute([0, 3, 1, 2])?
            }
        };
        let rows = memory.f_narrow(0, first as i64, count as i64);
        self.memory = Some(memory);
        rows
    }

    /// All rows taken so far; nothing before the first.
    pub(super) fn filled(&self) -> Result<Option<Tensor>> {
        let filled = self.memory.as_ref().map(|memory| memory.f_narrow(0, 0, self.used as i64)).transpose();
        filled.map_err(torch_error("gather the rows"))
    }
}

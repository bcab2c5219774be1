//! Memory that stays from pass to pass. Fresh memory of some megabytes costs the system a fault for every page, which takes
//! as long as the convolution that fills it.

use std::cell::{Cell, RefCell};

use tch::{Device, Kind, TchError, Tensor};

/// Buffers in the order of use: the n-th request of every pass gets the same memory.
#[derive(Debug)]
pub(super) struct Workspace {
    buffers: RefCell<Vec<Tensor>>,
    next: Cell<usize>,
}

impl Workspace {
    pub(super) fn new() -> Self {
        Self { buffers: RefCell::default(), next: Cell::new(0) }
    }

    /// A new pass: everything given out before may be overwritten.
    pub(super) fn begin(&self) {
        self.next.set(0);
    }

    /// Images `[N,C,H,W]` in f32 and channels_last, with whatever values they have.
    pub(super) fn images(&self, size: [i64; 4], device: Device) -> Result<Tensor, TchError> {
        let [count, channels, height, width] = size;
        let needed: i64 = size.iter().product();
        let mut buffers = self.buffers.borrow_mut();
        let index = self.next.replace(self.next.get() + 1);
        if buffers.get(index).is_none_or(|buffer| (buffer.numel() as i64) < needed) {
            buffers.truncate(index);
            buffers.push(Tensor::f_empty([needed], (Kind::Float, device))?);
        }
        let values = buffers[index].f_narrow(0, 0, needed)?;
        values.f_view([count, height, width, channels])?.f_permute([0, 3, 1, 2])
    }
}

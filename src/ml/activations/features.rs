//! A set of features: in memory, or mapped from a file of the cache.

use tch::{Device, Kind, Tensor};

use super::cache::Lease;
use crate::domain::{Error, Result};
use crate::ml::torch::{NoGrad, torch_error};

/// Features `[rows, dim]`, f32 on the CPU; row `i` belongs to sample `i` of the split. A cached file stays while they live.
#[derive(Debug)]
pub struct Features {
    values: Tensor,
    _lease: Option<Lease>,
}

impl Features {
    pub(super) fn in_memory(values: Tensor) -> Self {
        Self { values, _lease: None }
    }

    /// Maps a file of `rows * dim` little-endian f32, copy on write: nothing can change the file through the tensor.
    pub(super) fn mapped(lease: Lease, rows: usize, dim: usize) -> Result<Self> {
        let path = lease.data_path();
        let name = path.to_str().ok_or_else(|| Error::internal("the cache directory is not valid UTF-8"))?;
        let values = Tensor::f_from_file(name, false, (rows * dim) as i64, (Kind::Float, Device::Cpu))
            .and_then(|flat| flat.f_view([rows as i64, dim as i64]))
            .map_err(torch_error("map cached activations"))?;
        Ok(Self { values, _lease: Some(lease) })
    }

    pub fn rows(&self) -> usize {
        self.values.size()[0] as usize
    }

    pub fn dim(&self) -> usize {
        self.values.size()[1] as usize
    }

    /// All of them, on the CPU.
    pub fn tensor(&self) -> &Tensor {
        &self.values
    }

    /// Rows `start..end` on `device`.
    pub fn range(&self, start: usize, end: usize, device: Device) -> Result<Tensor> {
        let _guard = NoGrad::enter();
        let rows = self.values.f_narrow(0, start as i64, (end - start) as i64);
        rows.and_then(|rows| rows.f_to_device(device)).map_err(torch_error("read activations"))
    }
}

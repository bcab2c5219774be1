//! Initialises a built-in architecture from a seed and saves it as a file of weights.

use std::path::PathBuf;

use crate::device::DeviceHandle;
use crate::domain::model::ModelSpec;
use crate::domain::{Error, Result};

#[derive(Debug, Clone)]
pub struct CreateRequest {
    /// Names the architecture; `class_count` is set.
    pub spec: ModelSpec,
    pub seed: u64,
    /// Where the weights are written; nothing may be there.
    pub path: PathBuf,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    pub spec: ModelSpec,
    pub parameter_count: u64,
    pub size_bytes: u64,
}

impl DeviceHandle {
    pub async fn create(&self, request: CreateRequest) -> Result<Created> {
        self.call(move |_| Err(Error::internal(format!("not built yet: {request:?}")))).await
    }
}

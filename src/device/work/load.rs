//! Makes a stored version resident, and frees it.

use crate::device::{DeviceHandle, ModelSource, Residents};
use crate::domain::Result;
use crate::domain::ids::VersionName;
use crate::domain::model::ModelSpec;

/// A version that is resident now.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The source's specification with `class_count` filled.
    pub spec: ModelSpec,
    pub parameter_count: u64,
    /// Bytes held on the device.
    pub resident_bytes: u64,
}

/// What unloading gave back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unloaded {
    pub freed_bytes: u64,
}

impl DeviceHandle {
    /// Validates and loads a file of weights, and keeps the version resident until it is unloaded. One that is resident already stays.
    ///
    /// # Errors
    /// `DEVICE_MEMORY` before reading when it cannot fit; what the file is refused for.
    pub async fn load(&self, source: ModelSource) -> Result<Loaded> {
        self.call(move |residents| load(residents, &source)).await
    }

    /// Frees a version and answers when the memory is back; zero bytes when it is not resident.
    ///
    /// # Errors
    /// `MODEL_IN_USE` while running work holds it.
    pub async fn unload(&self, version: VersionName) -> Result<Unloaded> {
        self.call(move |residents| Ok(Unloaded { freed_bytes: residents.unload(&version)? })).await
    }
}

fn load(residents: &mut Residents, source: &ModelSource) -> Result<Loaded> {
    let network = residents.pin(source)?;
    Ok(Loaded {
        spec: network.spec().clone(),
        parameter_count: network.parameter_count(),
        resident_bytes: network.byte_size(),
    })
}

//! Initialises a built-in architecture from a seed and saves it as a file of weights.

use std::path::PathBuf;

use super::file_size;
use crate::device::{DeviceHandle, Residents};
use crate::domain::Result;
use crate::domain::model::ModelSpec;
use crate::ml::backbone::Backbone;

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
    /// Answers when the file is written; the version is not resident yet.
    ///
    /// # Errors
    /// What the architecture or the specification is refused for.
    pub async fn create(&self, request: CreateRequest) -> Result<Created> {
        self.call(move |residents| create(residents, &request)).await
    }
}

fn create(residents: &mut Residents, request: &CreateRequest) -> Result<Created> {
    let CreateRequest { spec, seed, path } = request;
    let backbone = Backbone::initialise(spec, *seed, residents.device())?;
    backbone.save(path, spec.format)?;
    Ok(Created {
        spec: backbone.spec().clone(),
        parameter_count: backbone.parameter_count(),
        size_bytes: file_size(path)?,
    })
}

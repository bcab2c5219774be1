//! What a device does, one kind of work a file.
//!
//! Interactive (typed methods of `DeviceHandle`): `load`, `unload`, `create`, `export`, `infer`.
//! Batch (`Work`, for `DeviceHandle::run`): `Predict`, `FineTune`.

mod create;
mod export;
mod fine_tune;
mod infer;
mod load;
mod part;
mod predict;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod training_tests;

pub use create::{CreateRequest, Created};
pub use export::Exported;
pub use fine_tune::{FineTune, FineTuneOutput};
pub use infer::Logits;
pub use load::{Loaded, Unloaded};
pub use predict::Predict;

use std::path::Path;

use crate::domain::{Error, Result};

/// Bytes of a file that was just written.
fn file_size(path: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(path);
    metadata
        .map(|metadata| metadata.len())
        .map_err(|error| Error::internal("a written file vanished").with_source(error))
}

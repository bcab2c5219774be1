//! What a device does, one kind of work a file.
//!
//! Interactive (typed methods of `DeviceHandle`): `load`, `unload`, `create`, `export`, `infer`.
//! Batch (`Work`, for `DeviceHandle::run`): `Predict`, `FineTune`.

mod create;
mod export;
mod infer;
mod load;

pub use create::{CreateRequest, Created};
pub use export::Exported;
pub use infer::Logits;
pub use load::{Loaded, Unloaded};

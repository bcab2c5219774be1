//! Device threads: libtorch lives here and nowhere above.
//!
//! One named OS thread for each device (`cpu`, `cuda:0`, ...) owns every tensor of it; handles, plain vectors, shapes and
//! file paths leave it. Async code calls a `DeviceHandle`, which never blocks.
//!
//! ```text
//! engine ──DeviceHandle──► two bounded lanes ──► executor ──► Task::step ──► libtorch
//!    ▲                                              │
//!    └── reply (oneshot) · events (bounded) · progress (latest wins)
//! ```
//!
//! May depend on `ml` and `domain`.

mod cancel;
mod command;
mod demand;
mod devices;
mod executor;
mod fault;
mod handle;
mod ledger;
mod memory;
mod meter;
mod queue;
mod residents;
mod status;
#[cfg(test)]
mod tests;
mod thread;
mod turns;
mod visit;
pub mod work;

pub use cancel::{CancelReason, CancelToken};
pub use command::{RunContext, Work, abandoned, interruption};
pub use demand::Demand;
pub use devices::{DeviceInfo, DeviceKind, DeviceOptions, DeviceSet};
pub use handle::DeviceHandle;
pub use ledger::{Ledger, Need, Reservation, Usage};
pub use queue::LaneLimits;
pub use residents::{ModelSource, Residents};

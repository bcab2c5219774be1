//! The engine: what the daemon does, free of protocol. gRPC services call an [`Engine`] handle and convert; the engine validates,
//! writes to the store, lets device threads work, and tells watchers.
//!
//! ```text
//! submit ─► admission ─► store (durable, QUEUED) ─► scheduler (pure pick) ─► runner ─► device thread
//!                                                                             │            │ events (bounded)
//!              watch ◄── notify ◄── store ◄───────────────────── pump ◄───────┴────────────┘
//! ```
//!
//! Deciding is pure (`scheduler::pick_next`, `recovery::plan`, `admission`), acting is short. May depend on `storage`, `device`, the
//! tensor-free parts of `ml` and `domain`; never on `rpc`.

mod datasets;
mod handle;
mod jobs;
mod models;
mod options;
mod requests;
mod system;
mod versions;
mod views;
mod watch;

pub use datasets::Upload;
pub use handle::Engine;
pub use options::EngineOptions;
pub use requests::{BeginUpload, CreateModel, InferImages, LoadModel, NewModelSpec, RegisterDataset};
pub use views::{
    DeviceView, Exported, Inferred, ModelState, ModelView, ResidentModel, ServerInfo, Unloaded, VersionView,
};
pub use watch::{WatchItem, WatchStream};

pub use crate::storage::store::{JobFilter, Page, PageRequest};

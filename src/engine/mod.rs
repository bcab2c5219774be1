//! The engine: what the daemon does, free of protocol. gRPC services call an [`Engine`] handle and convert; the engine validates,
//! writes to the store, lets device threads work, and tells watchers.
//!
//! ```text
//! submit ─► admission ─► store (durable, QUEUED) ─► scheduler (pure pick) ─► runner ─► device thread
//!                                                                             │            │ events (bounded)
//!              watch ◄── feed ◄── store ◄──────────────── events (pump) ◄─────┴────────────┘
//! ```
//!
//! Deciding is pure (`scheduler::pick_next`, `recovery::plan`, `admission`), acting is short. May depend on `storage`, `device`, the
//! tensor-free parts of `ml` and `domain`; never on `rpc`.

mod admission;
mod answers;
mod attribution;
mod banks;
mod classes;
mod concepts;
mod core;
mod datasets;
mod events;
mod export;
mod failure;
mod feed;
mod handle;
mod import;
mod infer;
mod ingest;
mod jobs;
mod lane;
mod locks;
mod materials;
mod memo;
mod models;
mod options;
mod pixels;
mod planning;
mod preprocessing;
mod recovery;
mod registration;
mod registry;
mod requests;
mod residency;
mod runner;
mod scheduler;
mod sources;
mod sweep;
mod system;
#[cfg(test)]
mod tests;
mod text;
mod uploads;
mod versions;
mod views;
mod watch;

pub use handle::Engine;
pub use options::EngineOptions;
pub use requests::{
    AttributeImages, AttributeInput, AttributeTextInput, AttributeTexts, BeginUpload, CreateModel, GenerateText,
    ImportConceptBank, ImportVersion, InferImages, InputImage, LoadModel, NewModelSpec, RegisterDataset,
};
pub use uploads::Upload;
pub use views::{
    AttributedItem, AttributedTextItem, DeviceView, Exported, Inferred, ModelState, ModelView, PoisonPreview,
    ResidentModel, ServerInfo, Shown, TextPiece, Unloaded, VersionView,
};
pub use watch::{WatchItem, WatchStream};

pub use crate::storage::banks::MAX_EXAMPLES;
pub use crate::storage::store::{JobFilter, Page, PageRequest};

/// Training samples that the sparse layer of concepts is fitted to where a request does not say.
pub const DEFAULT_CONCEPT_SAMPLES: u32 = concepts::LAYER_SAMPLES as u32;

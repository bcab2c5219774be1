//! The gRPC border: one file a service, each method converting, calling the engine, and converting back.
//!
//! ```text
//! transport ─► observe (request id, span, log line, panics) ─► access ─► deadline ─► service ─► convert ─► engine
//!                                                                                       └──────◄ status ◄─── error
//! ```
//!
//! `transport` accepts connections and speaks TLS; `access` decides who may call what (both are opened and kept current by `border`);
//! `convert` checks requests and names fields; `status` alone knows gRPC codes; `drain` ends what would never end by itself. May depend on
//! `engine`, `config`, `domain` and `pb`; no tensor and no SQL comes up here.

mod access;
mod attributions;
mod border;
mod concepts;
mod context;
mod convert;
mod datasets;
mod deadline;
mod drain;
mod evaluations;
mod health;
mod jobs;
mod last_frame;
mod models;
mod observe;
mod operations;
pub(crate) mod outside;
mod reflection;
mod reload;
mod server;
mod status;
mod system;
mod text;
mod transport;
mod unlearning;
mod upload;
mod views;
mod watch;

pub use border::Border;
pub use drain::Drain;
pub use server::serve;

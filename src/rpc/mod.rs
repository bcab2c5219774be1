//! The gRPC border: one file a service, each method converting, calling the engine, and converting back.
//!
//! ```text
//! listener ─► observe (request id, span, log line, panics) ─► service ─► convert ─► engine
//!                                                                └──────◄ status ◄─── error
//! ```
//!
//! `convert` checks requests and names fields; `status` alone knows gRPC codes; `drain` ends what would never end by itself. May depend
//! on `engine`, `domain` and `pb`; no tensor and no SQL comes up here.

mod attributions;
mod concepts;
mod context;
mod convert;
mod datasets;
mod drain;
mod evaluations;
mod health;
mod jobs;
mod models;
mod observe;
mod operations;
mod reflection;
mod server;
mod status;
mod system;
mod unlearning;
mod upload;
mod views;
mod watch;

pub use drain::Drain;
pub use server::serve;

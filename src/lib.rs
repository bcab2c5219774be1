//! unlearnd: machine unlearning as a service.
//!
//! `main ► daemon ► rpc ► engine ► device ► ml ► tch`, with `engine ► storage` beside and `domain` below everything.
//! See ARCHITECTURE.md. The feature `daemon` (default) carries the server; without it only the client is built.

pub mod client;
pub mod pb;

#[cfg(feature = "daemon")]
pub mod config;
#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(feature = "daemon")]
pub mod device;
#[cfg(feature = "daemon")]
pub mod domain;
#[cfg(feature = "daemon")]
pub mod engine;
#[cfg(feature = "daemon")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "daemon")]
pub mod ml;
#[cfg(feature = "daemon")]
pub mod rpc;
#[cfg(feature = "daemon")]
pub mod storage;
#[cfg(feature = "daemon")]
pub mod telemetry;

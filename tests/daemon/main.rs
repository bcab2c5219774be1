//! The real process over loopback: each file is one promise of the daemon.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it fails")]

mod configuration;
mod errors;
mod health;
mod models;
mod reflection;
mod stop;
mod support;

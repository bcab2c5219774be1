//! The real process over loopback: each file is one promise of the daemon.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it fails")]

mod access;
mod attribution;
mod bad_files;
mod bad_input;
mod concepts;
mod configuration;
mod crash;
mod deadlines;
mod disk_full;
mod drain;
mod errors;
mod health;
mod jobs;
mod language;
mod memory;
mod models;
mod odd_models;
mod real_clients;
mod reflection;
mod scheduling;
mod soak;
mod stateful;
mod stop;
mod support;
mod text_jobs;
mod watching;
mod words;

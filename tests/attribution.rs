//! Attributions against Captum 0.8, and what holds without a reference. Golden values: `tests/golden/attribution/make.py`.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test says by panicking that it fails")]

#[path = "attribution/golden.rs"]
mod golden;
#[path = "attribution/laws.rs"]
mod laws;
#[path = "attribution/support.rs"]
mod support;
#[path = "attribution/torchscript.rs"]
mod torchscript;

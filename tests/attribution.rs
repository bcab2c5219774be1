//! Attributions against Captum 0.8, and what holds without a reference. Golden values: `tests/golden/attribution/make.py`.
#![allow(clippy::unwrap_used)]

#[path = "attribution/golden.rs"]
mod golden;
#[path = "attribution/laws.rs"]
mod laws;
#[path = "attribution/support.rs"]
mod support;
#[path = "attribution/torchscript.rs"]
mod torchscript;

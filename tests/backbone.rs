//! Built-in architectures against PyTorch, and files in and out. Golden values: `tests/golden/backbone/make.py`.
#![allow(clippy::unwrap_used)]

#[path = "backbone/golden.rs"]
mod golden;
#[path = "backbone/hostile.rs"]
mod hostile;
#[path = "backbone/reference_model.rs"]
mod reference_model;
#[path = "backbone/scopes.rs"]
mod scopes;
#[path = "backbone/support.rs"]
mod support;
#[path = "backbone/torchscript.rs"]
mod torchscript;

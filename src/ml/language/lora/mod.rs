//! Low-rank adapters (Hu et al., arXiv 2106.09685, equation 3): beside a frozen layer `W x` runs `scale * B A x`.
//!
//! Meaning, names and files are peft's (0.17): A starts uniform in ±1/√in (`kaiming_uniform_` with a = √5), B at zero, the scale is
//! `alpha / rank` or, rank-stabilised, `alpha / √rank`; dropout acts on the input of A. Layers are named by their path in the Hugging
//! Face model (`model.layers.0.self_attn.q_proj`). Unlike peft, dropout draws from a stream of (seed, step, layer), a target name that
//! fits no layer is an error even where others fit, and merging gives new weights: those of a model are views on its files.

mod adapter;
mod config;
mod dropout;
mod file;
mod initialise;
mod merge;
mod package;
mod targets;

pub use adapter::{Adapter, LowRank};
pub use dropout::Dropout;
pub use file::{AdapterFiles, LoadedAdapter, TaskKind};
pub use targets::{LayerShape, select};

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

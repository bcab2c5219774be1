//! The numeric methods, on libtorch. No async, no globals, no knowledge of jobs or files of the daemon.

pub mod activations;
pub mod attribution;
pub mod backbone;
pub mod checkpoint;
pub mod concept;
pub mod evaluation;
pub(crate) mod files;
pub mod finetune;
pub mod footprint;
pub mod interrupt;
pub mod language;
pub mod membership;
pub mod optim;
pub mod poison;
pub mod random;
mod shim;
pub mod step;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;
pub mod torch;

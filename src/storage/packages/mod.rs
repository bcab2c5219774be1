//! Language models as one file each: a safetensors file with the weights of every shard of a Hugging Face folder, and with what else
//! the folder says of the model (configuration, tokenizer, chat template) as text in the header's metadata.
//!
//! One file has one SHA-256, is published by one rename and is memory-mapped as it lies. The tensors keep their names; those with
//! the widest values come first, so that all of them are aligned.

mod folder;
mod unpack;
mod write;

pub use folder::Folder;
pub use unpack::unpack;

#[cfg(test)]
mod tests;

//! Concepts: where their examples come from, how their vectors are learnt, what a class owes to them and what follows from that.
//! No tensors: activations come in as rows of f32.
//!
//! ```text
//! library ─► activations ─► cav (direction, margins) ─► ConceptVectors ─► projection ─► pcbm (elastic_net) ─► pcbm_h
//!                      └──► nmf (no labels) ────────────────┘                            ├─► classes ─► donor
//!                                                                                        └─► tcav, quality, residue, edit
//! ```

mod design;
mod direction;
mod elastic_net;
mod margins;
mod quadratic;
mod rows;
mod softmax_net;

pub mod cav;
pub mod classes;
pub mod donor;
pub mod edit;
pub mod library;
pub mod nmf;
pub mod pcbm;
pub mod pcbm_h;
pub mod projection;
pub mod quality;
pub mod residue;
pub(crate) mod student;
pub mod tcav;
#[cfg(test)]
mod tests;

//! The HTML report of finished unlearning jobs: one self-contained file, readable in light and dark, all text escaped.

mod concepts;
mod data;
mod figure;
mod page;
mod pictures;
mod plot;
mod section;
mod tables;

pub(crate) use data::JobData;
pub(crate) use page::page;
pub(crate) use pictures::{HeatMaps, Pictures};

#[cfg(test)]
mod sample;

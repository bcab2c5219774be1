//! The HTML report of finished unlearning jobs: one self-contained file, readable in light and dark, all text escaped.

mod data;
mod figure;
mod page;
mod plot;
mod section;
mod tables;

pub(crate) use data::JobData;
pub(crate) use page::page;

#[cfg(test)]
mod sample;

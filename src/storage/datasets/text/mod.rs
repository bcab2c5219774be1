//! Texts: read once from JSON lines, CSV or Parquet, checked, hashed and kept in the daemon's own folder.
//!
//! ```text
//!   jsonl · csv · parquet ──► Row ──► Layout (columns) ──► RawText ──► writer ──► folder of the dataset
//!                  (table)                                     (ingest)                  │
//!                                    ml ◄── TextSource ◄── TextSplit ◄── TextDataset::open ┘
//! ```
//!
//! A source is passed over three times (columns, labels, examples), a row at a time, so that memory does not grow with it. Every
//! example is checked before the dataset exists, and an error names its line and column.

mod chat;
mod columns;
mod csv;
mod dataset;
mod ingest;
mod jsonl;
mod manifest;
mod parquet;
mod source;
mod survey;
mod table;
#[cfg(test)]
mod tests;
mod writer;

pub use dataset::TextDataset;
pub use ingest::{TextIngestRequest, ingest_text, ingest_text_within};
pub use source::TextSplit;

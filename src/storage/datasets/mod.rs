//! Labelled images, and in `text` texts: read once from whatever file the client has, checked, hashed and kept in the daemon's own folder.
//!
//! ```text
//!   parquet · image_folder · tensors · csv ──► RawSample ──► decode (parallel) ──► writer ──► folder of the dataset
//!                     (format)                    (sample)                (ingest)                │
//!                                       ml ◄── ImageSource ◄── Split, Selector ◄── Dataset::open ─┘
//! ```
//!
//! Every byte that is read here was written by somebody else: sizes are checked before anything is allocated, and a decoder
//! that panics makes an error that names the sample. Depends on `domain` (and on `ml::random` for random shares).

mod classes;
mod csv;
mod csv_header;
mod dataset;
mod decode;
mod format;
mod image_folder;
mod ingest;
mod limits;
mod manifest;
mod npy;
mod parquet;
mod parquet_columns;
mod parquet_files;
mod parquet_headers;
mod pass;
mod prepare;
mod resize;
mod sample;
mod select;
mod source;
mod tensor_files;
mod tensors;
mod text;
mod writer;

#[cfg(test)]
mod tests;

pub use dataset::Dataset;
pub use decode::decode_inline;
pub use ingest::{IngestRequest, ingest, ingest_within};
pub use limits::Limits;
pub use parquet_headers::read_headers as read_parquet_headers;
pub use source::Split;
pub use text::{TextDataset, TextIngestRequest, TextSplit, ingest_text, ingest_text_within};

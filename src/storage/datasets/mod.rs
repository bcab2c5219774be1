//! Labelled images: read once from whatever file the client has, checked, hashed and kept in the daemon's own folder.
//!
//! ```text
//!   parquet · image_folder · tensors · csv ──► RawSample ──► decode (parallel) ──► writer ──► folder of the dataset
//!                     (format)                    (sample)                (ingest)                │
//!                                       ml ◄── ImageSource ◄── Split, Selector ◄── Dataset::open ─┘
//! ```
//!
//! Every byte that is read here was written by somebody else: sizes are checked before anything is allocated, and a decoder
//! that panics makes an error that names the sample. Depends on `domain` (and on `ml::random` for random shares).

mod format;
mod ingest;
mod limits;
mod select;
mod source;

pub use ingest::{IngestRequest, ingest, ingest_within};
pub use limits::Limits;
pub use source::{Dataset, Split};

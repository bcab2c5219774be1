//! Everything durable: the store (SQLite: jobs, events, registry), atomic files, artefacts, datasets.

pub mod datasets;

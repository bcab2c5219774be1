//! Everything durable: the store (SQLite: jobs, events, registry), atomic files, artefacts, datasets.

pub mod atomic;
pub mod datasets;
pub mod layout;
pub mod lock;
pub mod store;
pub mod uri;

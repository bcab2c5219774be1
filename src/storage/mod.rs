//! Everything durable: the store (SQLite: jobs, events, registry), atomic files, datasets, concept banks.

pub mod atomic;
pub mod banks;
pub mod datasets;
pub mod images;
pub mod layout;
pub mod lock;
pub mod outgoing;
pub mod packages;
pub mod store;
pub mod uri;

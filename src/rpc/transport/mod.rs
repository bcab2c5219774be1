//! Connections: accepting them, TLS, and who is at the other end.
//!
//! ```text
//! listener ─► accept (a slot each) ─► handshake in a task of its own, bounded in time and number ─► Connection ─► tonic
//!                                        └─ the configuration of this moment (certificates are read again when they change)
//! ```

mod accept;
mod connection;
mod handshakes;
mod peer;
mod tls;

pub(super) use accept::{Acceptor, CurrentTls};
pub(super) use peer::Peer;
pub(super) use tls::{files, server_config};

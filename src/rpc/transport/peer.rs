//! Who is at the other end of a connection; every request of the connection carries it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::rpc::access::CertificateNames;

/// See the module.
#[derive(Debug, Clone)]
pub(in crate::rpc) struct Peer {
    pub(in crate::rpc) address: SocketAddr,
    /// Of a client certificate that the handshake found genuine.
    pub(in crate::rpc) certificate: Option<Arc<CertificateNames>>,
}

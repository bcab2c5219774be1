//! Takes connections off the listener for tonic. Whatever a client does or leaves undone, the next one is accepted.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_stream::wrappers::ReceiverStream;

use super::connection::{Connection, Transport};
use super::handshakes::Handshakes;
use super::peer::Peer;
use crate::rpc::access::CertificateNames;

/// The TLS configuration of this moment.
pub(in crate::rpc) type CurrentTls = Arc<ArcSwap<ServerConfig>>;

/// Connections that wait for tonic to take them.
const READY: usize = 16;
/// What to wait when the system has no more descriptors.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// How often a full house is told.
const TELLING: Duration = Duration::from_secs(10);

/// See the module.
pub(in crate::rpc) struct Acceptor {
    listener: TcpListener,
    tls: Option<CurrentTls>,
    slots: Arc<Semaphore>,
    handshakes: Handshakes,
    told: Option<Instant>,
}

impl Acceptor {
    pub(in crate::rpc) fn new(listener: TcpListener, tls: Option<CurrentTls>, connections: usize) -> Self {
        let slots = Arc::new(Semaphore::new(connections));
        Self { listener, tls, slots, handshakes: Handshakes::default(), told: None }
    }

    /// Accepts in a task of its own, until the stream is dropped; then the listener is closed and handshakes under way end.
    pub(in crate::rpc) fn start(self) -> ReceiverStream<io::Result<Connection>> {
        let (ready_tx, ready_rx) = mpsc::channel(READY);
        tokio::spawn(self.run(ready_tx));
        ReceiverStream::new(ready_rx)
    }

    async fn run(mut self, ready_tx: Sender<io::Result<Connection>>) {
        loop {
            let accepted = tokio::select! {
                () = ready_tx.closed() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => self.admit(stream, address, &ready_tx).await,
                Err(error) => wait_after(&error).await,
            }
        }
    }

    async fn admit(&mut self, stream: TcpStream, address: SocketAddr, ready_tx: &Sender<io::Result<Connection>>) {
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            self.tell_full(address);
            return;
        };
        // Small frames of answers must not wait for each other.
        let _gone = stream.set_nodelay(true);
        match &self.tls {
            None => {
                let peer = Peer { address, certificate: None };
                let _closed = ready_tx.send(Ok(Connection::new(Transport::Plain(stream), peer, slot))).await;
            }
            Some(current) => {
                let acceptor = TlsAcceptor::from(current.load_full());
                self.handshakes.begin(handshake(acceptor, stream, address, slot, ready_tx.clone()));
            }
        }
    }

    fn tell_full(&mut self, peer: SocketAddr) {
        if self.told.is_none_or(|told| told.elapsed() >= TELLING) {
            self.told = Some(Instant::now());
            tracing::warn!(%peer, "closed a connection: as many as limits.connections allows are open");
        }
    }
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    slot: OwnedSemaphorePermit,
    ready_tx: Sender<io::Result<Connection>>,
) {
    match acceptor.accept(stream).await {
        Ok(stream) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let names = certificates.and_then(|chain| CertificateNames::read(chain.first()?));
            let peer = Peer { address, certificate: names.map(Arc::new) };
            let _closed = ready_tx.send(Ok(Connection::new(Transport::Tls(Box::new(stream)), peer, slot))).await;
        }
        Err(error) => tracing::info!(peer = %address, %error, "TLS handshake failed"),
    }
}

/// A client that left meanwhile is nothing; a lack of descriptors takes time to pass.
async fn wait_after(error: &io::Error) {
    if error.kind() != io::ErrorKind::ConnectionAborted {
        tracing::warn!(%error, "failed to accept a connection");
        tokio::time::sleep(EXHAUSTED).await;
    }
}

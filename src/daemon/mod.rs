//! The process: wires engine, services and listener, and ends them in order.
//!
//! ```text
//! bind ─► engine (lock, recover) ─► serve ─► address told ─► signal ─► drain ─┬─ calls end ─┬─► exit 0
//!                                                              │             └─ step ends ─┤
//!                                             second signal ───┴─► exit 130     deadline ──┴─► exit 1
//! ```

mod address;
mod signals;

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::address::AddressFile;
pub use self::signals::Signals;
use crate::config::Config;
use crate::domain::{Error, ErrorKind, Result};
use crate::engine::{Engine, EngineOptions};
use crate::rpc::{self, Drain};

/// The exit code of a process that was told twice to stop.
const TOLD_TWICE: i32 = 130;

/// Runs until a signal and a clean end.
///
/// # Errors
/// When the daemon cannot start, when the server fails, or when draining takes longer than it may.
pub async fn run(config: Config, mut signals: Signals) -> Result<()> {
    let listener = bind(&config).await?;
    let engine = tokio::select! {
        engine = Engine::start(engine_options(&config)) => engine?,
        signal = signals.next() => {
            tracing::info!(signal, "stopped while starting");
            return Ok(());
        }
    };
    let drain = Drain::default();
    let address = AddressFile::write(config.address_file(), listener.local_addr().map_err(unbound)?)?;
    let server = tokio::spawn(rpc::serve(engine.clone(), listener, config.limits.message_bytes, drain.clone()));
    address.announce();
    let server = until_told(server, &mut signals).await;
    let stopped = stop(&config, &engine, &drain, server, &mut signals).await;
    drop(address);
    stopped
}

type Server = JoinHandle<Result<()>>;

async fn bind(config: &Config) -> Result<TcpListener> {
    TcpListener::bind(config.listen).await.map_err(|error| {
        let message = format!("cannot listen on {}; is another daemon running there?", config.listen);
        Error::new(ErrorKind::Unavailable, "CANNOT_LISTEN", message).with_source(error)
    })
}

fn unbound(error: std::io::Error) -> Error {
    Error::internal("the listener has no address").with_source(error)
}

fn engine_options(config: &Config) -> EngineOptions {
    let limits = &config.limits;
    EngineOptions {
        roots: config.roots.clone(),
        devices: config.devices.clone(),
        cpu_threads: config.threads,
        activation_cache_bytes: limits.activation_cache_bytes,
        max_queued_jobs: limits.queued_jobs,
        max_queued_commands: limits.queued_commands,
        heartbeat: Duration::from_secs(config.heartbeat_seconds),
        max_upload_bytes: limits.upload_bytes,
        max_dataset_bytes: limits.dataset_bytes,
        shutdown_grace: Duration::from_secs(config.drain_seconds),
        ..EngineOptions::new(&config.data_dir)
    }
}

/// Waits for a signal, or for a server that ended by itself.
async fn until_told(mut server: Server, signals: &mut Signals) -> Server {
    tokio::select! {
        signal = signals.next() => tracing::info!(signal, "draining"),
        ended = &mut server => return tokio::spawn(async move { joined(ended) }),
    }
    server
}

/// Ends streams and calls and interrupts the running job between two steps, both at once and within the deadline.
async fn stop(config: &Config, engine: &Engine, drain: &Drain, server: Server, signals: &mut Signals) -> Result<()> {
    drain.begin();
    let deadline = Duration::from_secs(config.drain_seconds);
    let both = async { tokio::join!(async { joined(server.await) }, engine.shutdown()).0 };
    tokio::select! {
        ended = tokio::time::timeout(deadline, both) => {
            let ended = ended.unwrap_or_else(|_| Err(too_slow(config.drain_seconds)));
            tracing::info!(clean = ended.is_ok(), "stopped");
            ended
        }
        signal = signals.next() => {
            tracing::warn!(signal, "told twice to stop: leaving at once");
            std::process::exit(TOLD_TWICE);
        }
    }
}

fn joined(ended: std::result::Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    ended.unwrap_or_else(|error| Err(Error::internal("the gRPC server panicked").with_source(error)))
}

fn too_slow(seconds: u64) -> Error {
    let message = format!("calls or a step were still under way after {seconds} s; see drain_seconds");
    Error::new(ErrorKind::DeadlineExceeded, "DRAIN_TIMEOUT", message)
}

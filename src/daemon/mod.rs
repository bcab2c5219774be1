//! The process: wires engine, services and listener, and ends them in order.
//!
//! ```text
//! bind ─► engine (lock, recover) ─► serve ─► address told ─► signal ─► drain ─┬─ calls end ─────────────┬─► close, exit 0
//!                                                              │             └─ jobs save and stop ────┤
//!                                             second signal ───┴─► exit 130     deadline ──────────────┴─► exit 1
//! ```
//!
//! A lost device is never found again by this process: it drains as after a signal and exits with 1, for a supervisor to start it anew.

mod address;
mod signals;
mod supervisor;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::address::AddressFile;
pub use self::signals::Signals;
use crate::config::{Config, Problems};
use crate::domain::{Error, ErrorKind, Result};
use crate::engine::{Engine, EngineOptions};
use crate::rpc::{self, Border, Drain};

/// The exit code of a process that was told twice to stop.
const TOLD_TWICE: i32 = 130;
/// The program that runs, also where its file has been replaced since.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// How soon a lost device is noticed.
const DEVICE_PERIOD: Duration = Duration::from_millis(200);
/// What connections get to end once nothing is under way; a peer that never reads or speaks is cut after it.
const LAST_FRAMES: Duration = Duration::from_millis(500);

/// Runs until a signal and a clean end.
///
/// # Errors
/// When the daemon cannot start, when the server fails, when a device is lost, or when draining takes longer than it may.
pub async fn run(config: Config, mut signals: Signals) -> Result<()> {
    let border = Border::open(&config)?;
    let listener = bind(config.listen).await?;
    let border = border.with_health(health_port(&config).await?);
    let engine = tokio::select! {
        engine = Engine::start(engine_options(&config)) => engine?,
        signal = signals.next() => {
            tracing::info!(signal, "stopped while starting");
            return Ok(());
        }
    };
    let drain = Drain::new(Duration::from_secs(config.drain_seconds) / 2);
    let address = AddressFile::write(config.address_file(), listener.local_addr().map_err(unbound)?)?;
    let server = tokio::spawn(rpc::serve(engine.clone(), listener, border, drain.clone()));
    address.announce();
    supervisor::ready();
    let watchdog = tokio::spawn(supervisor::watchdog(engine.clone()));
    let lost = first_lost(|| engine.lost_device());
    let (server, lost) = until_told(server, signals.next(), lost).await;
    let stopped = stop(&config, &engine, &drain, server, &mut signals).await;
    drop(address);
    watchdog.abort();
    lost.map_or(stopped, Err)
}

type Server = JoinHandle<Result<()>>;

/// What is wrong with the files that a valid configuration names. Nothing is created.
///
/// # Errors
/// All problems at once.
pub fn check(config: &Config) -> std::result::Result<(), Problems> {
    let problems = Border::problems(config);
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

/// What the daemon starts itself for, see `storage::datasets`: reads the headers of Parquet files, and ends.
///
/// # Errors
/// Where the process cannot limit itself.
pub fn read_parquet_headers(path: &Path) -> std::io::Result<()> {
    crate::storage::datasets::read_parquet_headers(path)
}

async fn health_port(config: &Config) -> Result<Option<TcpListener>> {
    match config.health_listen {
        Some(address) => bind(address).await.map(Some),
        None => Ok(None),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = format!("cannot listen on {address}; is another daemon running there?");
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
        device_memory_bytes: limits.device_memory_bytes,
        evict_idle_models: config.evict_idle_models,
        activation_cache_bytes: limits.activation_cache_bytes,
        max_queued_jobs: limits.queued_jobs,
        max_queued_jobs_per_client: limits.queued_jobs_per_client,
        starvation: Duration::from_secs(limits.starvation_seconds),
        max_queued_commands: limits.queued_commands,
        heartbeat: Duration::from_secs(config.heartbeat_seconds),
        max_upload_bytes: limits.upload_bytes,
        max_dataset_bytes: limits.dataset_bytes,
        program: Some(PathBuf::from(OWN_PROGRAM)),
        shutdown_grace: Duration::from_secs(config.drain_seconds),
        ..EngineOptions::new(&config.data_dir)
    }
}

/// Waits for a signal, for a server that ended by itself, or for a lost device, which is the error to end with.
async fn until_told(
    mut server: Server,
    signal: impl Future<Output = &'static str>,
    lost: impl Future<Output = String>,
) -> (Server, Option<Error>) {
    tokio::select! {
        signal = signal => tracing::info!(signal, "draining"),
        ended = &mut server => return (tokio::spawn(async move { joined(ended) }), None),
        device = lost => {
            tracing::error!(device, "the device is lost: draining, then leaving; start the daemon anew");
            return (server, Some(device_lost(&device)));
        }
    }
    (server, None)
}

/// The first device that no longer serves.
async fn first_lost(lost: impl Fn() -> Option<String>) -> String {
    loop {
        if let Some(device) = lost() {
            return device;
        }
        tokio::time::sleep(DEVICE_PERIOD).await;
    }
}

fn device_lost(device: &str) -> Error {
    let message = format!("device `{device}` was lost; a new process may find it again, see the log for the cause");
    Error::new(ErrorKind::Unavailable, "DEVICE_LOST", message)
}

/// Drains within the deadline, unless a second signal comes.
async fn stop(config: &Config, engine: &Engine, drain: &Drain, server: Server, signals: &mut Signals) -> Result<()> {
    drain.begin();
    let deadline = Duration::from_secs(config.drain_seconds);
    supervisor::stopping(deadline);
    tokio::select! {
        ended = tokio::time::timeout(deadline, end_in_order(engine, drain, server)) => {
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

/// Jobs save and stop while calls end; then nobody needs devices and store; at last the connections.
async fn end_in_order(engine: &Engine, drain: &Drain, server: Server) -> Result<()> {
    tokio::join!(engine.interrupt(), drain.calls_ended());
    engine.shutdown().await;
    drain.close();
    match tokio::time::timeout(LAST_FRAMES, server).await {
        Ok(ended) => joined(ended),
        Err(_) => {
            tracing::info!("connections that did not end were cut");
            Ok(())
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use super::*;

    fn serving() -> Server {
        tokio::spawn(pending())
    }

    #[tokio::test]
    async fn a_lost_device_ends_the_wait_with_an_error() {
        let asked = Cell::new(0);
        let lost = first_lost(|| {
            asked.set(asked.get() + 1);
            (asked.get() == 3).then(|| "cuda:0".to_owned())
        });
        let (server, error) = until_told(serving(), pending(), lost).await;
        let error = error.expect("the process must not exit with 0");
        assert_eq!((error.reason, asked.get()), ("DEVICE_LOST", 3));
        assert!(error.message.contains("cuda:0"), "{error}");
        assert!(!server.is_finished(), "the server drains afterwards");
        server.abort();
    }

    #[tokio::test]
    async fn a_signal_ends_the_wait_without_one() {
        let (server, error) = until_told(serving(), async { "SIGTERM" }, first_lost(|| None)).await;
        assert!(error.is_none() && !server.is_finished());
        server.abort();
    }

    #[tokio::test]
    async fn a_server_that_failed_is_not_a_lost_device() {
        let server = tokio::spawn(async { Err(Error::internal("the listener broke")) });
        let (server, error) = until_told(server, pending(), first_lost(|| None)).await;
        assert!(error.is_none());
        assert_eq!(joined(server.await).unwrap_err().reason, "INTERNAL");
    }
}

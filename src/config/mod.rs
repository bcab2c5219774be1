//! The daemon's configuration: built-in defaults, then a TOML file, then the environment (`UNLEARND_*`), then flags.
//!
//! Every problem is found in one go and says where the value came from. Unknown keys of the file are refused; of the environment only the
//! known names are read, since others set variables with our prefix too (Kubernetes does for a service called `unlearnd`).

mod access;
mod check;
mod flags;
mod read;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use access::{Access, Audit, CertificateGrant, Tls};
pub use flags::Flags;
pub use read::load;

/// The port when nothing else is said.
pub const DEFAULT_PORT: u16 = 7461;

/// See `deploy/unlearnd.example.toml` for what each value means.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// Port 0 lets the system choose; see `address_file`.
    pub listen: SocketAddr,
    /// Without this word the daemon listens beyond loopback only with TLS and authentication.
    pub allow_insecure_remote: bool,
    /// A second port that serves `grpc.health.v1` alone, in plain text, for probes that have no credentials.
    pub health_listen: Option<SocketAddr>,
    /// Store, weights, datasets and caches; one daemon at a time.
    pub data_dir: PathBuf,
    /// Directories that client URIs may point into.
    pub roots: Vec<PathBuf>,
    /// Where the bound address is written; `<data_dir>/address` when absent.
    pub address_file: Option<PathBuf>,
    /// `cpu`, `cuda:0`, ...; empty means all there are.
    pub devices: Vec<String>,
    /// Threads of one operator on the CPU; absent leaves it to libtorch.
    pub threads: Option<usize>,
    /// Whether loaded models make room for others while they are idle.
    pub evict_idle_models: bool,
    /// Quiet seconds after which a watcher of a job hears a heartbeat.
    pub heartbeat_seconds: u64,
    /// How long a stopping daemon waits for calls and for the running step.
    pub drain_seconds: u64,
    pub log: Log,
    pub limits: Limits,
    pub tls: Option<Tls>,
    pub access: Access,
    pub audit: Audit,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Log {
    pub format: LogFormat,
    /// Directives of tracing's EnvFilter: `info`, `info,unlearnd::engine=debug`.
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Largest gRPC message.
    pub message_bytes: usize,
    /// Jobs that may wait.
    pub queued_jobs: usize,
    /// Jobs of one client that may wait or run; 0: no bound but `queued_jobs`.
    pub queued_jobs_per_client: usize,
    /// A job that has waited this long is raised by one priority.
    pub starvation_seconds: u64,
    /// Interactive commands that may wait at a device, half of them of one client.
    pub queued_commands: usize,
    /// What models and jobs may hold of each device's memory; 0: four fifths of it.
    pub device_memory_bytes: u64,
    /// Activation cache on disk.
    pub activation_cache_bytes: u64,
    /// Largest upload.
    pub upload_bytes: u64,
    /// Largest dataset, as the daemon keeps it.
    pub dataset_bytes: u64,
    /// Connections at a time; further ones are closed at once.
    pub connections: usize,
    /// Calls that one connection may have under way.
    pub streams_per_connection: u32,
    /// Calls a second of one principal, or of one address without credentials; 0 is no limit.
    pub calls_per_second: u32,
}

impl Config {
    /// Defaults around a data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
            allow_insecure_remote: false,
            health_listen: None,
            data_dir: data_dir.into(),
            roots: Vec::new(),
            address_file: None,
            devices: Vec::new(),
            threads: None,
            evict_idle_models: false,
            heartbeat_seconds: 15,
            drain_seconds: 30,
            log: Log { format: LogFormat::Text, filter: "info".to_owned() },
            limits: Limits {
                message_bytes: 64 << 20,
                queued_jobs: 256,
                queued_jobs_per_client: 0,
                starvation_seconds: 3600,
                queued_commands: 64,
                device_memory_bytes: 0,
                activation_cache_bytes: 8 << 30,
                upload_bytes: 4 << 30,
                dataset_bytes: 64 << 30,
                connections: 1024,
                streams_per_connection: 256,
                calls_per_second: 0,
            },
            tls: None,
            access: Access::default(),
            audit: Audit::default(),
        }
    }

    pub fn address_file(&self) -> PathBuf {
        self.address_file.clone().unwrap_or_else(|| self.data_dir.join("address"))
    }
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the configuration has {} problem{}",
            self.0.len(),
            if self.0.len() == 1 { "" } else { "s" }
        )?;
        for problem in &self.0 {
            write!(formatter, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

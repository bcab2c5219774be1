//! What the engine is started with.

use std::path::PathBuf;
use std::time::Duration;

/// Options of [`super::Engine::start`]; `..EngineOptions::new(dir)` gives the defaults.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Holds the store, weights, datasets and caches; belongs to one daemon at a time.
    pub data_dir: PathBuf,
    /// Directories that client URIs may point into, for reading and for exports. Empty: no URI is allowed.
    pub roots: Vec<PathBuf>,
    /// Devices to use (`cpu`, `cuda:0`); empty means the CPU and every CUDA device there is.
    pub devices: Vec<String>,
    /// Threads of one operator on the CPU; `None` leaves it to libtorch.
    pub cpu_threads: Option<usize>,
    /// What models and jobs may hold of each device's memory, in bytes; 0: four fifths of it.
    pub device_memory_bytes: u64,
    /// Whether models that a client loaded make room for others while they are idle.
    pub evict_idle_models: bool,
    /// Largest total size of the activation cache on disk.
    pub activation_cache_bytes: u64,
    /// Jobs that may wait; one more is refused with RESOURCE_EXHAUSTED.
    pub max_queued_jobs: usize,
    /// Jobs of one client that may wait or run; 0: as many as of all.
    pub max_queued_jobs_per_client: usize,
    /// A job that has waited this long is raised by one priority.
    pub starvation: Duration,
    /// Interactive commands that may wait at a device, half of them of one client.
    pub max_queued_commands: usize,
    /// Durable events that may wait for the store before the device thread waits.
    pub max_pending_events: usize,
    /// Quiet time after which a watcher gets a heartbeat.
    pub heartbeat: Duration,
    /// Largest dataset that may be uploaded.
    pub max_upload_bytes: u64,
    /// Largest dataset, in bytes of the daemon's own copy.
    pub max_dataset_bytes: u64,
    /// The daemon's program, for what is tried in a process of its own; absent: nothing is.
    pub program: Option<PathBuf>,
    /// How long `shutdown` waits for running steps to end.
    pub shutdown_grace: Duration,
}

impl EngineOptions {
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            roots: Vec::new(),
            devices: Vec::new(),
            cpu_threads: None,
            device_memory_bytes: 0,
            evict_idle_models: false,
            activation_cache_bytes: 8 << 30,
            max_queued_jobs: 256,
            max_queued_jobs_per_client: 0,
            starvation: Duration::from_secs(3600),
            max_queued_commands: 64,
            max_pending_events: 256,
            heartbeat: Duration::from_secs(15),
            max_upload_bytes: 4 << 30,
            max_dataset_bytes: 64 << 30,
            program: None,
            shutdown_grace: Duration::from_secs(30),
        }
    }
}

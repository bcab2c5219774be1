//! The devices of this daemon: which there are, their threads, and what each holds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tch::Device;

use crate::domain::ids::VersionName;
use crate::domain::{Error, Result};
use crate::ml::activations::ActivationCache;
use crate::ml::torch;

use super::handle::DeviceHandle;
use super::memory;
use super::queue::LaneLimits;
use super::thread::{DeviceThread, ThreadOptions};

/// What of a device's memory is used when the configuration does not say: the rest is for activations and allocators.
const BUDGET_SHARE: f64 = 0.8;

#[derive(Debug, Clone)]
pub struct DeviceOptions {
    /// `cpu`, `cuda:0`, ...; empty: the CPU and every CUDA device.
    pub devices: Vec<String>,
    /// Intra-op threads of libtorch on the CPU's thread; 0 leaves its choice (one for each core).
    pub cpu_threads: usize,
    /// Bytes that models and jobs may hold on each device; 0: four fifths of its memory.
    pub memory_budget_bytes: u64,
    /// Whether versions that a client loaded make room for others while they are idle.
    pub evict_idle_models: bool,
    /// Cached activations of frozen prefixes, shared by the devices.
    pub cache_directory: PathBuf,
    pub cache_bytes: u64,
    pub lanes: LaneLimits,
}

impl Default for DeviceOptions {
    fn default() -> Self {
        Self {
            devices: Vec::new(),
            cpu_threads: 0,
            memory_budget_bytes: 0,
            evict_idle_models: false,
            cache_directory: std::env::temp_dir().join("unlearnd-activations"),
            cache_bytes: 4 << 30,
            lanes: LaneLimits::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    Cpu,
    Cuda,
}

/// A snapshot of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    pub name: String,
    pub kind: DeviceKind,
    pub total_bytes: u64,
    pub budget_bytes: u64,
    /// Reserved for resident versions and running work.
    pub used_bytes: u64,
    /// What work could have now: also what idle versions would give back.
    pub available_bytes: u64,
    pub models: Vec<(VersionName, u64)>,
    /// Label of the batch work being run.
    pub running: Option<String>,
    pub interactive_waiting: usize,
    pub batch_waiting: usize,
    /// Whether its thread serves; a lost CUDA device does not.
    pub healthy: bool,
}

/// All device threads. Clones are the same set.
#[derive(Debug, Clone)]
pub struct DeviceSet(Arc<BTreeMap<String, DeviceThread>>);

impl DeviceSet {
    /// Starts a thread for each device; returns when all are ready.
    ///
    /// # Errors
    /// `UNKNOWN_DEVICE` for a name that is no device of this machine.
    pub fn start(options: &DeviceOptions) -> Result<Self> {
        let names = if options.devices.is_empty() { available() } else { options.devices.clone() };
        let cache = ActivationCache::new(&options.cache_directory, options.cache_bytes)?;
        let mut threads = BTreeMap::new();
        for name in names {
            let thread_options = thread_options(&name, options, &cache)?;
            threads.insert(thread_options.name.clone(), DeviceThread::start(thread_options)?);
        }
        Ok(Self(Arc::new(threads)))
    }

    /// # Errors
    /// `INVALID_DEVICE` or `UNKNOWN_DEVICE`, naming the devices there are.
    pub fn get(&self, name: &str) -> Result<DeviceHandle> {
        let name = torch::device_name(torch::parse_device(name)?);
        self.0.get(&name).map(|thread| thread.handle.clone()).ok_or_else(|| self.unknown(&name))
    }

    /// The device of models that name none: the first CUDA device, else the CPU.
    pub fn default_name(&self) -> &str {
        self.0
            .keys()
            .find(|name| name.starts_with("cuda"))
            .or_else(|| self.0.keys().next())
            .map_or("cpu", String::as_str)
    }

    pub fn list(&self) -> Vec<DeviceInfo> {
        self.0.values().map(|thread| thread.handle.info()).collect()
    }

    fn unknown(&self, name: &str) -> Error {
        let here = self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        Error::invalid("UNKNOWN_DEVICE", "device", format!("`{name}` is not served; there are {here}"))
    }

    /// Closes every device, then waits for their threads: interactive commands that wait are answered, batch work ends after
    /// its current step with `DEVICE_STOPPING`. Blocks; from async code call it on a blocking thread.
    pub fn shutdown(&self) {
        self.0.values().for_each(DeviceThread::close);
        self.0.values().for_each(DeviceThread::join);
    }
}

/// Devices of this machine.
fn available() -> Vec<String> {
    let cuda = (0..torch::device_count()).map(Device::Cuda);
    std::iter::once(Device::Cpu).chain(cuda).map(torch::device_name).collect()
}

fn thread_options(name: &str, options: &DeviceOptions, cache: &ActivationCache) -> Result<ThreadOptions> {
    let device = torch::parse_device(name)?;
    let total_bytes = memory::total_bytes(device)?;
    let share = (total_bytes as f64 * BUDGET_SHARE) as u64;
    Ok(ThreadOptions {
        name: torch::device_name(device),
        device,
        threads: options.cpu_threads,
        total_bytes,
        budget_bytes: if options.memory_budget_bytes == 0 { share } else { options.memory_budget_bytes },
        evict_idle_models: options.evict_idle_models,
        cache: cache.clone(),
        lanes: options.lanes,
    })
}

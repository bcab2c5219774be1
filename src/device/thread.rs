//! One device thread: start, ready handshake, close, join.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{Builder, JoinHandle};

use tch::Device;

use crate::domain::{Error, Result};
use crate::ml::activations::ActivationCache;
use crate::ml::torch;

use super::executor::Executor;
use super::fault::guarded;
use super::handle::DeviceHandle;
use super::ledger::Ledger;
use super::queue::{LaneLimits, Lanes};
use super::residents::Residents;
use super::status::Status;

/// How one device thread is set up.
#[derive(Debug, Clone)]
pub(super) struct ThreadOptions {
    pub(super) name: String,
    pub(super) device: Device,
    /// Intra-op threads of libtorch; 0 leaves its choice.
    pub(super) threads: usize,
    pub(super) total_bytes: u64,
    pub(super) budget_bytes: u64,
    pub(super) evict_idle_models: bool,
    pub(super) cache: ActivationCache,
    pub(super) lanes: LaneLimits,
}

#[derive(Debug)]
pub(super) struct DeviceThread {
    pub(super) handle: DeviceHandle,
    join: Mutex<Option<JoinHandle<()>>>,
}

impl DeviceThread {
    /// Returns when the thread is ready to serve.
    pub(super) fn start(options: ThreadOptions) -> Result<Self> {
        let handle = DeviceHandle {
            name: options.name.as_str().into(),
            lanes: Arc::new(Lanes::new(options.lanes)),
            ledger: Ledger::new(
                options.name.clone(),
                options.total_bytes,
                options.budget_bytes,
                options.evict_idle_models,
            ),
            status: Arc::new(Status::default()),
            attributions: Arc::default(),
        };
        let (ready, is_ready) = mpsc::sync_channel(1);
        let serving = handle.clone();
        let join = Builder::new()
            .name(format!("device-{}", options.name))
            .spawn(move || serve(&options, &serving, &ready))
            .map_err(|error| Error::internal("failed to start a device thread").with_source(error))?;
        is_ready.recv().unwrap_or_else(|_| Err(Error::internal("a device thread ended while starting")))?;
        Ok(Self { handle, join: Mutex::new(Some(join)) })
    }

    /// Takes nothing more; waiting interactive commands are still answered, batch work is stopped after its current step.
    pub(super) fn close(&self) {
        self.handle.lanes.close();
    }

    /// Waits for the thread to end, which it only does when closed.
    pub(super) fn join(&self) {
        let join = self.join.lock().unwrap_or_else(PoisonError::into_inner).take();
        if join.is_some_and(|join| join.join().is_err()) {
            tracing::error!(device = self.handle.name(), "the device thread panicked outside a step");
        }
    }
}

/// A thread that nobody closed ends by itself.
impl Drop for DeviceThread {
    fn drop(&mut self) {
        self.close();
    }
}

fn serve(options: &ThreadOptions, handle: &DeviceHandle, ready: &mpsc::SyncSender<Result<()>>) {
    let _ended = Ended(&handle.status);
    let residents = match guarded(|| prepare(options, handle)) {
        Ok(residents) => residents,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    Executor::new(handle.lanes.clone(), residents, handle.status.clone()).run();
}

/// Thread settings come before the first tensor: libtorch's thread count acts on the calling thread.
fn prepare(options: &ThreadOptions, handle: &DeviceHandle) -> Result<Residents> {
    if options.threads > 0 {
        torch::keep_freed_memory();
        torch::set_threads(options.threads);
    }
    Ok(Residents::new(options.device, handle.ledger.clone(), options.cache.clone()))
}

/// Marks the thread as stopped however it ends.
struct Ended<'a>(&'a Status);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.set_stopped();
    }
}

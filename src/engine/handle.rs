//! The handle that everything above the engine holds; starting and stopping.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tracing::Instrument;

use super::core::{Core, Phase, Stage};
use super::failure::{blocking, from_join};
use super::options::EngineOptions;
use super::{recovery, residency, scheduler, sweep};
use crate::device::{DeviceOptions, DeviceSet, LaneLimits};
use crate::domain::Result;
use crate::storage::layout::DataLayout;
use crate::storage::lock::DirectoryLock;
use crate::storage::store::Store;
use crate::storage::uri::Roots;

/// A cheap clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    pub(super) core: Arc<Core>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Engine").field("data_dir", &self.core.options.data_dir).finish_non_exhaustive()
    }
}

impl Engine {
    /// Locks the data directory, opens the store, starts the device threads, loads what was loaded and resumes jobs.
    ///
    /// # Errors
    /// `DATA_DIRECTORY_IN_USE`, `UNKNOWN_DEVICE`, and what the file system refuses.
    pub async fn start(options: EngineOptions) -> Result<Self> {
        let data_dir = options.data_dir.clone();
        let (layout, lock) = blocking(move || {
            let layout = DataLayout::create(&data_dir)?;
            let lock = DirectoryLock::acquire(&layout.lock())?;
            layout.clear_leftovers()?;
            Ok((layout, lock))
        })
        .await?;
        let store = Store::open(&layout.store()).await?;
        let device_options = device_options(&options, &layout);
        let devices = blocking(move || DeviceSet::start(&device_options)).await?;
        let core = Core {
            roots: Roots::new(options.roots.clone()),
            layout,
            lock: Mutex::new(Some(lock)),
            store,
            devices,
            feeds: super::feed::Feeds::default(),
            datasets: super::registry::Datasets::default(),
            running: super::registry::RunningJobs::default(),
            turns: Mutex::default(),
            gate: tokio::sync::Mutex::default(),
            locks: super::locks::Locks::default(),
            memo: super::memo::Memo::default(),
            wake: tokio::sync::Notify::new(),
            phase: Phase::default(),
            stopping: tokio_util::sync::CancellationToken::new(),
            tasks: tokio_util::task::TaskTracker::new(),
            start_time: SystemTime::now(),
            options,
        };
        let engine = Self { core: Arc::new(core) };
        Box::pin(engine.resume()).await?;
        Ok(engine)
    }

    async fn resume(&self) -> Result<()> {
        Box::pin(recovery::recover(&self.core)).await?;
        Box::pin(sweep::sweep(&self.core)).await?;
        residency::load_wanted(&self.core).await?;
        self.core.phase.advance(Stage::Ready);
        self.core.tasks.spawn(scheduler::run(self.core.clone()));
        Ok(())
    }

    /// Takes no more work and interrupts running jobs between two steps, each with a checkpoint where it has one; calls under way go
    /// on. Returns when the jobs have stopped.
    pub async fn interrupt(&self) {
        let core = &self.core;
        core.phase.advance(Stage::Stopping);
        core.stopping.cancel();
        core.running.stop_all();
        core.tasks.close();
        if tokio::time::timeout(core.options.shutdown_grace, core.tasks.wait()).await.is_err() {
            tracing::warn!("jobs did not stop in time; they will be taken up again at the next start");
        }
    }

    /// Interrupts jobs, joins the device threads and closes the store. What is still under way fails.
    pub async fn shutdown(&self) {
        self.interrupt().await;
        let core = &self.core;
        let devices = core.devices.clone();
        let _ = blocking(move || {
            devices.shutdown();
            Ok(())
        })
        .await;
        core.store.close().await;
        core.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Does what must not be left half done, to its end, also where the caller leaves meanwhile.
    pub(super) async fn whole<T, F>(&self, act: impl FnOnce(Self) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let done = self.core.tasks.spawn(act(self.clone()).in_current_span());
        done.await.unwrap_or_else(|error| Err(from_join(error)))
    }

    /// Whether the engine takes work: false while starting, draining, and after a device was lost.
    pub fn is_ready(&self) -> bool {
        self.core.phase.is(Stage::Ready) && self.lost_device().is_none()
    }

    /// Whether the store still answers.
    pub async fn check_alive(&self) -> Result<()> {
        self.core.store.check().await
    }

    /// A device whose thread has ended or whose hardware has failed; it does not come back in this process.
    pub fn lost_device(&self) -> Option<String> {
        self.core.devices.list().into_iter().find(|device| !device.healthy).map(|device| device.name)
    }
}

fn device_options(options: &EngineOptions, layout: &DataLayout) -> DeviceOptions {
    DeviceOptions {
        devices: options.devices.clone(),
        cpu_threads: options.cpu_threads.unwrap_or(0),
        memory_budget_bytes: options.device_memory_bytes,
        evict_idle_models: options.evict_idle_models,
        cache_directory: layout.cache(),
        cache_bytes: options.activation_cache_bytes,
        lanes: LaneLimits { interactive: options.max_queued_commands, ..LaneLimits::default() },
    }
}

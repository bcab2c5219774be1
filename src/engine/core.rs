//! What all handles of one engine share.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::SystemTime;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::feed::Feeds;
use super::locks::Locks;
use super::memo::Memo;
use super::options::EngineOptions;
use super::registry::{Datasets, RunningJobs};
use super::scheduler::Turns;
use crate::device::DeviceSet;
use crate::domain::{Error, ErrorKind, Result};
use crate::storage::layout::DataLayout;
use crate::storage::lock::DirectoryLock;
use crate::storage::store::Store;
use crate::storage::uri::Roots;

/// Version of the code, noted in the lineage of what it makes.
pub(super) const CODE_VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) struct Core {
    pub(super) options: EngineOptions,
    pub(super) layout: DataLayout,
    /// Given back at the end of `shutdown`.
    pub(super) lock: Mutex<Option<DirectoryLock>>,
    pub(super) store: Store,
    pub(super) devices: DeviceSet,
    pub(super) roots: Roots,
    pub(super) feeds: Feeds,
    pub(super) datasets: Datasets,
    pub(super) running: RunningJobs,
    /// Whose turn it is among the waiting jobs.
    pub(super) turns: Mutex<Turns>,
    /// Held by whoever decides on what jobs use: submission, deletion.
    pub(super) gate: tokio::sync::Mutex<()>,
    /// One maker of a resource at a time.
    pub(super) locks: Locks,
    pub(super) memo: Memo,
    /// Something may have become runnable.
    pub(super) wake: Notify,
    pub(super) phase: Phase,
    /// Cancelled when the engine begins to stop.
    pub(super) stopping: CancellationToken,
    /// Scheduler, runners, watchers: joined by `shutdown`.
    pub(super) tasks: TaskTracker,
    pub(super) start_time: SystemTime,
}

impl Core {
    /// Refuses new work while the engine starts or stops.
    pub(super) fn check_ready(&self) -> Result<()> {
        if self.phase.is(Stage::Ready) {
            return Ok(());
        }
        let message = "the daemon is starting or stopping; try again in a moment";
        Err(Error::new(ErrorKind::Unavailable, "NOT_READY", message))
    }
}

/// Where the engine is in its life (0: starting); it only goes forward.
#[derive(Debug, Default)]
pub(super) struct Phase(AtomicU8);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    Ready = 1,
    Stopping = 2,
}

impl Phase {
    pub(super) fn is(&self, stage: Stage) -> bool {
        self.0.load(Ordering::Acquire) == stage as u8
    }

    /// Returns whether this call moved it.
    pub(super) fn advance(&self, stage: Stage) -> bool {
        self.0.fetch_max(stage as u8, Ordering::AcqRel) < stage as u8
    }
}

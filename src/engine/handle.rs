//! The handle that everything above the engine holds.

use std::fmt;
use std::sync::Arc;

use super::options::EngineOptions;
use crate::domain::{Error, ErrorKind, Result};

/// A cheap clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    pub(super) core: Arc<Core>,
}

/// What all clones share.
pub(super) struct Core {
    pub(super) options: EngineOptions,
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Engine").field("data_dir", &self.core.options.data_dir).finish_non_exhaustive()
    }
}

impl Engine {
    /// Locks the data directory, opens the store, starts the device threads, loads what was served and resumes jobs.
    pub async fn start(options: EngineOptions) -> Result<Self> {
        Ok(Self { core: Arc::new(Core { options }) })
    }

    /// Stops taking work, interrupts running jobs between two steps and joins the device threads. A second call does nothing.
    pub async fn shutdown(&self) {}

    /// Whether the engine takes work: false while starting, draining, and after a device was lost.
    pub fn is_ready(&self) -> bool {
        false
    }
}

pub(super) fn not_yet(what: &str) -> Error {
    Error::new(ErrorKind::Unimplemented, "UNIMPLEMENTED", format!("{what} is not available"))
}

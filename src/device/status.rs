//! What other threads may see of a device thread without asking it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

#[derive(Debug, Default)]
pub(super) struct Status {
    running: Mutex<Option<String>>,
    stopped: AtomicBool,
    /// A CUDA device that failed stays lost until the process starts anew.
    lost: AtomicBool,
}

impl Status {
    pub(super) fn set_running(&self, label: Option<&str>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = label.map(str::to_owned);
    }

    /// Label of the batch work being run.
    pub(super) fn running(&self) -> Option<String> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_stopped(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub(super) fn set_lost(&self) {
        self.lost.store(true, Ordering::Release);
    }

    pub(super) fn is_healthy(&self) -> bool {
        !self.stopped.load(Ordering::Acquire) && !self.lost.load(Ordering::Acquire)
    }
}

//! A token by which the owner of a job asks it to stop; the device thread looks at it between steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::domain::{Error, ErrorKind};

/// Why a job is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CancelReason {
    /// A client cancelled the job.
    Requested = 1,
    /// The daemon stops; the job goes on in a later attempt.
    Shutdown = 2,
}

impl CancelReason {
    fn from_code(code: u8) -> Option<Self> {
        [Self::Requested, Self::Shutdown].into_iter().find(|reason| *reason as u8 == code)
    }

    /// What the job ends with.
    pub fn error(self) -> Error {
        match self {
            Self::Requested => Error::cancelled("the job was cancelled on request"),
            Self::Shutdown => stopping(),
        }
    }
}

/// The reason of work that is interrupted and may be taken up again.
pub(super) const STOPPING: &str = "DEVICE_STOPPING";

/// The error of work that ends, or never starts, because its device is being closed.
pub(super) fn stopping() -> Error {
    Error::new(ErrorKind::Unavailable, STOPPING, "the device is being closed; try again when the daemon is back")
}

/// Cheap to clone; all clones are one token. The first reason stays.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicU8>);

impl CancelToken {
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns whether this call was the first.
    pub fn cancel(&self, reason: CancelReason) -> bool {
        // Relaxed is enough: the reason itself is all that is communicated.
        self.0.compare_exchange(0, reason as u8, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    pub fn reason(&self) -> Option<CancelReason> {
        CancelReason::from_code(self.0.load(Ordering::Relaxed))
    }

    pub fn is_cancelled(&self) -> bool {
        self.reason().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays() {
        let token = CancelToken::new();
        assert!(!token.is_cancelled());
        assert!(token.clone().cancel(CancelReason::Requested));
        assert!(!token.cancel(CancelReason::Shutdown));
        assert_eq!(token.reason(), Some(CancelReason::Requested));
    }
}

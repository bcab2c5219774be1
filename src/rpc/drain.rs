//! The word that the daemon stops: streams that would never end hear it and end.

use tokio_util::sync::CancellationToken;

use crate::domain::{Error, ErrorKind};

/// A cheap clone; all clones hear the same word.
#[derive(Debug, Clone, Default)]
pub struct Drain(CancellationToken);

impl Drain {
    /// Tells everyone. A second time does nothing.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Waits for the word.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn begun(&self) {
        self.0.cancelled().await;
    }

    /// How a stream that is cut by it ends; a client comes back with its last sequence number.
    pub(super) fn error() -> Error {
        Error::new(ErrorKind::Unavailable, "DRAINING", "the daemon is stopping; watch again after its restart")
    }
}

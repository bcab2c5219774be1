//! One lock for each resource name, so that two requests for the same resource follow each other and others do not wait.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::{Mutex, OwnedMutexGuard};

#[derive(Debug, Default)]
pub(super) struct Locks(DashMap<String, Arc<Mutex<()>>>);

impl Locks {
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue.
    pub(super) async fn lock(&self, name: &str) -> OwnedMutexGuard<()> {
        // Locks that nobody holds or waits for are forgotten now and then.
        if self.0.len() > 1024 {
            self.0.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        let lock = self.0.entry(name.to_owned()).or_default().clone();
        lock.lock_owned().await
    }
}

//! Watching a job: replay of its durable events, then following.

use std::pin::Pin;

use tokio_stream::Stream;

use super::handle::{Engine, not_yet};
use crate::domain::Result;
use crate::domain::ids::JobId;
use crate::domain::job::{JobEvent, Progress};

/// What a watcher sees.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchItem {
    /// Durable, in order, without gap.
    Event(JobEvent),
    /// The latest snapshot; earlier ones may never be seen.
    Progress(Progress),
    /// Nothing happened for a while.
    Heartbeat,
}

/// Ends after the event of a terminal state.
pub type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchItem>> + Send>>;

impl Engine {
    /// Events after `after_sequence` (0: all), then what happens from now on. Any number of watchers see the same events; leaving
    /// changes nothing for the job.
    pub async fn watch_job(&self, id: &JobId, after_sequence: u64) -> Result<WatchStream> {
        let _ = (id, after_sequence);
        Err(not_yet("WatchJob"))
    }
}

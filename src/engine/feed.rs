//! Who watches a job is told here that there is something new; what is new stands in the store.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::watch;

use crate::domain::ids::JobId;
use crate::domain::job::Progress;

/// The news of one job: the last durable sequence, and the latest progress. Latest wins, so nothing can pile up.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) sequence: watch::Sender<u64>,
    pub(super) progress: watch::Sender<Progress>,
}

impl Feed {
    fn new() -> Self {
        Self { sequence: watch::Sender::new(0), progress: watch::Sender::new(Progress::default()) }
    }
}

/// Feeds of jobs that run or are watched.
#[derive(Debug, Default)]
pub(super) struct Feeds(DashMap<JobId, Arc<Feed>>);

impl Feeds {
    pub(super) fn of(&self, id: &JobId) -> Arc<Feed> {
        self.0.entry(id.clone()).or_insert_with(|| Arc::new(Feed::new())).clone()
    }

    /// Call after the store has the events.
    pub(super) fn publish(&self, id: &JobId, last_sequence: u64) {
        if let Some(feed) = self.0.get(id) {
            feed.sequence.send_if_modified(|sequence| {
                let newer = last_sequence > *sequence;
                *sequence = last_sequence.max(*sequence);
                newer
            });
        }
    }

    pub(super) fn progress(&self, id: &JobId) -> Option<Progress> {
        let feed = self.0.get(id)?;
        let progress = feed.progress.borrow().clone();
        (progress != Progress::default()).then_some(progress)
    }

    /// Nothing more will come; whoever holds the feed still gets the last sequence.
    pub(super) fn close(&self, id: &JobId) {
        self.0.remove(id);
    }
}

//! The pump: from the device thread and the runner, through a bounded channel, into the store, then to the watchers.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::core::Core;
use super::failure::from_join;
use crate::domain::ids::JobId;
use crate::domain::job::{EventBody, Job};
use crate::domain::{Error, Result};
use crate::storage::store::Guard;

/// Events written in one transaction.
const EVENTS_A_WRITE: usize = 64;

/// Writes the events of one attempt in the order in which they were sent.
#[derive(Debug)]
pub(super) struct Pump {
    task: JoinHandle<Result<()>>,
}

impl Pump {
    /// While the store is behind the channel fills and senders wait; if the store refuses, the channel closes and they fail.
    pub(super) fn start(core: Arc<Core>, id: JobId, attempt: u32) -> (mpsc::Sender<EventBody>, Self) {
        let (sender, receiver) = mpsc::channel(core.options.max_pending_events.max(1));
        (sender, Self { task: tokio::spawn(pump(core, id, attempt, receiver)) })
    }

    /// Waits until everything sent is durable; call when all senders are dropped.
    pub(super) async fn finish(self) -> Result<()> {
        self.task.await.unwrap_or_else(|error| Err(from_join(error)))
    }
}

async fn pump(core: Arc<Core>, id: JobId, attempt: u32, mut receiver: mpsc::Receiver<EventBody>) -> Result<()> {
    let mut bodies = Vec::with_capacity(EVENTS_A_WRITE);
    while receiver.recv_many(&mut bodies, EVENTS_A_WRITE).await > 0 {
        core.append(&id, Guard::Attempt(attempt), std::mem::take(&mut bodies)).await?;
    }
    Ok(())
}

impl Core {
    /// Makes events durable, then tells the watchers.
    pub(super) async fn append(&self, id: &JobId, guard: Guard, bodies: Vec<EventBody>) -> Result<Job> {
        let appended = self.store.append_events(id, guard, bodies).await?;
        self.feeds.publish(id, appended.job.last_sequence);
        if appended.job.state.is_terminal() {
            self.feeds.close(id);
        }
        Ok(appended.job)
    }
}

pub(super) fn store_behind() -> Error {
    Error::internal("the job's events could not be written")
}

//! Watching a job: replay of its durable events, then following.
//!
//! A watcher reads events from the store and is only told that there are new ones, so a slow watcher costs one buffer of fixed
//! size and misses nothing. One that does not read at all is cut, and may come back with its last sequence.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::OwnedPermit;
use tokio::time::{Instant, sleep_until};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::feed::Feed;
use super::handle::Engine;
use crate::domain::ids::JobId;
use crate::domain::job::{EventBody, JobEvent, Progress};
use crate::domain::{Error, ErrorKind, Result};
use crate::storage::store::Store;

const BUFFERED_ITEMS: usize = 16;
/// A watcher that takes nothing for so many heartbeats is cut.
const PATIENCE_IN_HEARTBEATS: u32 = 4;
const EVENTS_A_READ: usize = 64;

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
        let job = self.core.store.job(id).await?;
        if after_sequence > job.last_sequence {
            let last = job.last_sequence;
            let description = format!("{after_sequence} lies ahead of the job; its last event is {last}");
            return Err(Error::invalid("SEQUENCE_OUT_OF_RANGE", "after_sequence", description));
        }
        let (items, stream) = mpsc::channel(BUFFERED_ITEMS + 1);
        let last_word = items.clone().try_reserve_owned().map_err(|_| Error::internal("a new channel has room"))?;
        let watcher = Watcher {
            store: self.core.store.clone(),
            feed: self.core.feeds.of(id),
            id: id.clone(),
            cursor: after_sequence,
            items,
            heartbeat: self.core.options.heartbeat,
            stopping: self.core.stopping.clone(),
        };
        // Owned by the stream: it ends when the stream is dropped.
        tokio::spawn(watch(watcher, last_word, self.core.clone()));
        Ok(Box::pin(ReceiverStream::new(stream)))
    }
}

async fn watch(watcher: Watcher, last_word: OwnedPermit<Result<WatchItem>>, core: Arc<Core>) {
    let id = watcher.id.clone();
    match watcher.run().await {
        // A watcher that came after the end may have made a feed that nobody else will close.
        End::Finished => core.feeds.close(&id),
        End::Left => {}
        End::Stalled => {
            tracing::info!(job = %id, "a watcher that does not read was cut");
            // Its place was kept free all along.
            let _ = last_word.send(Err(stalled()));
        }
    }
}

pub(super) struct Watcher {
    pub(super) store: Store,
    pub(super) feed: Arc<Feed>,
    pub(super) id: JobId,
    /// The last sequence sent.
    pub(super) cursor: u64,
    pub(super) items: mpsc::Sender<Result<WatchItem>>,
    pub(super) heartbeat: Duration,
    pub(super) stopping: CancellationToken,
}

/// Why watching is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The terminal event was sent.
    Finished,
    /// The watcher left, the engine stops, or the store failed.
    Left,
    /// The watcher reads no more.
    Stalled,
}

impl Watcher {
    pub(super) async fn run(mut self) -> End {
        // Subscribed before the first read: what is appended after it is not missed.
        let mut sequence = self.feed.sequence.subscribe();
        let mut progress = self.feed.progress.subscribe();
        loop {
            sequence.mark_unchanged();
            match self.send_events().await {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(error) => return self.fail(error).await,
            }
            let quiet = Instant::now() + self.heartbeat;
            let item = tokio::select! {
                biased;
                () = self.items.closed() => return End::Left,
                () = self.stopping.cancelled() => return self.fail(stopped()).await,
                _ = sequence.changed() => continue,
                _ = progress.changed() => WatchItem::Progress(progress.borrow_and_update().clone()),
                () = sleep_until(quiet) => WatchItem::Heartbeat,
            };
            if let Err(end) = self.send(item).await {
                return end;
            }
        }
    }

    /// Hands an item over, for as long as the watcher may take to read.
    async fn send(&self, item: WatchItem) -> std::result::Result<(), End> {
        let patience = self.heartbeat * PATIENCE_IN_HEARTBEATS;
        match tokio::time::timeout(patience, self.items.send(Ok(item))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Left),
            Err(_) => Err(End::Stalled),
        }
    }

    /// Sends what the store has after the cursor; an end if that was the terminal event.
    async fn send_events(&mut self) -> Result<Option<End>> {
        loop {
            let events = self.store.events_after(&self.id, self.cursor, EVENTS_A_READ).await?;
            let is_last = events.len() < EVENTS_A_READ;
            for event in events {
                self.cursor = event.sequence;
                let is_terminal = is_terminal(&event);
                if let Err(end) = self.send(WatchItem::Event(event)).await {
                    return Ok(Some(end));
                }
                if is_terminal {
                    return Ok(Some(End::Finished));
                }
            }
            if is_last {
                return self.ended_before().await;
            }
        }
    }

    /// A cursor at the end of a finished job: there is nothing to wait for.
    async fn ended_before(&self) -> Result<Option<End>> {
        let job = self.store.job(&self.id).await?;
        Ok((job.state.is_terminal() && job.last_sequence == self.cursor).then_some(End::Finished))
    }

    async fn fail(&self, error: Error) -> End {
        // A watcher that left does not need the error.
        let _ = self.items.send(Err(error)).await;
        End::Left
    }
}

fn is_terminal(event: &JobEvent) -> bool {
    match &event.body {
        EventBody::State { state, .. } => state.is_terminal(),
        EventBody::Stage { .. }
        | EventBody::Metric(_)
        | EventBody::Checkpoint(_)
        | EventBody::Message { .. }
        | EventBody::Plan(_)
        | EventBody::Result(_) => false,
    }
}

fn stalled() -> Error {
    let message = "this watch took no events for too long and was cut; watch again with the last sequence";
    Error::new(ErrorKind::ResourceExhausted, "WATCHER_STALLED", message)
}

fn stopped() -> Error {
    let message = "the daemon stops; watch again with the last sequence when it is back";
    Error::new(ErrorKind::Unavailable, "DAEMON_STOPPING", message)
}

#[cfg(test)]
mod tests;

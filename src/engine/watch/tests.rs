//! Watching: every event once, from wherever a watcher comes back.

use super::*;
use crate::domain::dataset::{DataSource, Selector};
use crate::domain::evaluation::EvaluationSpec;
use crate::domain::finetune::Precision;
use crate::domain::job::{JobSpec, JobState, Metric};
use crate::engine::feed::Feeds;
use crate::storage::store::Guard;

struct World {
    _folder: tempfile::TempDir,
    store: Store,
    feeds: Feeds,
    id: JobId,
    stopping: CancellationToken,
}

impl World {
    /// A job that runs.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).await.unwrap();
        let spec = JobSpec::Evaluate(EvaluationSpec {
            model: "m@1".parse().unwrap(),
            train: None,
            test: DataSource { dataset: "d".parse().unwrap(), split: String::new() },
            forget: Selector::default(),
            reference: None,
            precision: Precision::F32,
            seed: 0,
            text: None,
        });
        let id: JobId = "j".parse().unwrap();
        store.insert_job(id.clone(), spec, None).await.unwrap();
        let world = Self { _folder: folder, store, feeds: Feeds::default(), id, stopping: CancellationToken::new() };
        world.append(vec![state(JobState::Running)]).await;
        world
    }

    async fn append(&self, bodies: Vec<EventBody>) {
        let appended = self.store.append_events(&self.id, Guard::Attempt(1), bodies).await.unwrap();
        self.feeds.publish(&self.id, appended.job.last_sequence);
        if appended.job.state.is_terminal() {
            self.feeds.close(&self.id);
        }
    }

    fn watch(&self, after: u64, heartbeat: Duration) -> mpsc::Receiver<Result<WatchItem>> {
        let (watcher, receiver) = self.watcher(after, heartbeat);
        tokio::spawn(watcher.run());
        receiver
    }

    fn watcher(&self, after: u64, heartbeat: Duration) -> (Watcher, mpsc::Receiver<Result<WatchItem>>) {
        let (items, receiver) = mpsc::channel(BUFFERED_ITEMS);
        let watcher = Watcher {
            store: self.store.clone(),
            feed: self.feeds.of(&self.id),
            id: self.id.clone(),
            cursor: after,
            items,
            heartbeat,
            stopping: self.stopping.clone(),
        };
        (watcher, receiver)
    }
}

const LONG: Duration = Duration::from_secs(60);

fn state(state: JobState) -> EventBody {
    EventBody::State { state, attempt: 1, error: None }
}

fn metric(step: u64) -> EventBody {
    EventBody::Metric(Metric { name: "train.loss".into(), step, value: 1.0 })
}

/// Sequences up to the end of the stream.
async fn sequences(mut items: mpsc::Receiver<Result<WatchItem>>) -> Vec<u64> {
    let mut sequences = Vec::new();
    while let Some(item) = items.recv().await {
        if let WatchItem::Event(event) = item.unwrap() {
            sequences.push(event.sequence);
        }
    }
    sequences
}

#[tokio::test]
async fn every_watcher_sees_every_event_once_wherever_it_resumes() {
    let world = World::new().await;
    world.append((0..100).map(metric).collect()).await;
    let watchers: Vec<_> = [0, 50, 102].map(|after| (after, tokio::spawn(sequences(world.watch(after, LONG))))).into();
    for step in 100..200 {
        world.append(vec![metric(step)]).await;
    }
    world.append(vec![state(JobState::Succeeded)]).await;
    for (after, watcher) in watchers {
        assert_eq!(watcher.await.unwrap(), (after + 1..=203).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_slow_watcher_misses_nothing() {
    let world = World::new().await;
    let slow = world.watch(0, LONG);
    world.append((0..500).map(metric).collect()).await;
    world.append(vec![state(JobState::Failed)]).await;
    assert_eq!(sequences(slow).await, (1..=503).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_watcher_that_does_not_read_is_cut_with_one_buffer_full() {
    let world = World::new().await;
    world.append((0..500).map(metric).collect()).await;
    let (watcher, items) = world.watcher(0, Duration::from_millis(5));
    assert_eq!(watcher.run().await, End::Stalled);
    assert_eq!(sequences(items).await, (1..=BUFFERED_ITEMS as u64).collect::<Vec<_>>(), "and knows where to resume");
}

#[tokio::test]
async fn a_watch_after_the_end_ends_at_once() {
    let world = World::new().await;
    world.append(vec![state(JobState::Succeeded)]).await;
    assert_eq!(sequences(world.watch(0, LONG)).await, [1, 2, 3]);
    assert_eq!(sequences(world.watch(3, LONG)).await, [0_u64; 0]);
}

#[tokio::test]
async fn a_quiet_job_still_gives_a_sign_of_life() {
    let world = World::new().await;
    let mut items = world.watch(2, Duration::from_millis(10));
    assert_eq!(items.recv().await.unwrap().unwrap(), WatchItem::Heartbeat);
}

#[tokio::test]
async fn progress_is_a_snapshot() {
    let world = World::new().await;
    let mut items = world.watch(2, LONG);
    // The watcher has subscribed once it has read: wait for it by an event.
    world.append(vec![metric(0)]).await;
    assert!(matches!(items.recv().await.unwrap().unwrap(), WatchItem::Event(_)));
    let progress = Progress { stage: "fine-tune".into(), step: 3, total: 9, ..Progress::default() };
    world.feeds.of(&world.id).progress.send_replace(progress.clone());
    assert_eq!(items.recv().await.unwrap().unwrap(), WatchItem::Progress(progress));
}

#[tokio::test]
async fn a_stopping_daemon_says_so() {
    let world = World::new().await;
    let mut items = world.watch(2, LONG);
    world.stopping.cancel();
    assert_eq!(items.recv().await.unwrap().unwrap_err().reason, "DAEMON_STOPPING");
    assert!(items.recv().await.is_none());
}

//! The word that the daemon stops, and the calls that it waits for.
//!
//! ```text
//! begin ─► new calls: UNAVAILABLE with RetryInfo ─► watches and waits end ─► calls under way end ─► the listener closes
//! ```
//!
//! An upload that sends nothing for half of the time to drain is ended then: its client sends it again to the next daemon.
//!
//! Whoever only looks on (a health probe, a watch of a job, a wait for one) is told and not waited for: such a call may sit on a peer
//! that never reads, and loses nothing by being cut.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::domain::{Error, ErrorKind, Result};

/// Calls that may be cut at any time without a loss.
const ONLOOKERS: [&str; 2] = ["/unlearnd.v1.JobService/WatchJob", "/google.longrunning.Operations/WaitOperation"];

/// A cheap clone; all clones hear the same word.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    word: CancellationToken,
    /// Calls under way.
    calls: TaskTracker,
    over: CancellationToken,
    /// How long a call that sends nothing is waited for once the word is given.
    patience: Duration,
}

/// Held by a call until its last frame.
#[derive(Debug)]
pub(super) struct UnderWay(#[expect(dead_code, reason = "counts while it lives")] Option<TaskTrackerToken>);

impl Drain {
    pub fn new(patience: Duration) -> Self {
        Self { patience, ..Self::default() }
    }

    /// Waits for the word and then for as long as a peer that sends nothing is waited for.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing; the next one waits as long again.
    pub(super) async fn out_of_patience(&self) {
        self.begun().await;
        tokio::time::sleep(self.patience).await;
    }

    /// Tells everyone. A second time does nothing.
    pub fn begin(&self) {
        self.word.cancel();
        self.calls.close();
    }

    /// Waits for the word.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn begun(&self) {
        self.word.cancelled().await;
    }

    /// Waits until the calls that were under way at `begin` have ended.
    pub async fn calls_ended(&self) {
        self.calls.wait().await;
    }

    /// Closes the listener and tells idle connections to leave.
    pub fn close(&self) {
        self.over.cancel();
    }

    /// Waits for `close`.
    pub(super) async fn closed(&self) {
        self.over.cancelled().await;
    }

    /// Lets a call in, unless the daemon stops; probes are always answered.
    pub(super) fn admit(&self, method: &str) -> Result<UnderWay> {
        if is_probe(method) {
            return Ok(UnderWay(None));
        }
        // Counted before the look, so that no call slips in behind the wait for the last one.
        let token = self.calls.token();
        if self.word.is_cancelled() {
            return Err(Self::error());
        }
        Ok(UnderWay((!ONLOOKERS.contains(&method)).then_some(token)))
    }

    /// How a stream that is cut by it ends, and a call that comes too late; a watcher comes back with its last sequence number.
    pub(super) fn error() -> Error {
        Error::new(ErrorKind::Unavailable, "DRAINING", "the daemon is stopping; try again when it is back")
    }
}

/// Probes come every few seconds, say nothing new, and want an answer at any time.
pub(super) fn is_probe(method: &str) -> bool {
    method.starts_with("/grpc.health.") || method.starts_with("/grpc.reflection.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = "/unlearnd.v1.ModelService/LoadModel";

    async fn has_ended(drain: &Drain) -> bool {
        tokio::time::timeout(Duration::from_millis(20), drain.calls_ended()).await.is_ok()
    }

    #[tokio::test]
    async fn calls_under_way_are_waited_for_and_new_ones_are_refused() {
        let drain = Drain::default();
        let call = drain.admit(CALL).unwrap();
        drain.begin();
        assert_eq!(drain.admit(CALL).unwrap_err().reason, "DRAINING");
        assert!(!has_ended(&drain).await);
        drop(call);
        assert!(has_ended(&drain).await);
    }

    #[tokio::test]
    async fn onlookers_and_probes_hold_nobody_up() {
        let drain = Drain::default();
        let _onlookers = ONLOOKERS.map(|method| drain.admit(method).unwrap());
        drain.begin();
        let _probe = drain.admit("/grpc.health.v1.Health/Watch").unwrap();
        assert!(has_ended(&drain).await);
    }
}

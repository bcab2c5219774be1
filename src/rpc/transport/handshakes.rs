//! The TLS handshakes under way. Each has a task and a deadline, and there is a bound on their number: when it is reached the oldest makes
//! room, so that clients who only begin handshakes hinder themselves and nobody else.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};

const MAX_UNDER_WAY: usize = 128;
const DEADLINE: Duration = Duration::from_secs(10);

/// Dropping it ends all of them.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    tasks: JoinSet<()>,
    /// Oldest first.
    under_way: VecDeque<AbortHandle>,
}

impl Handshakes {
    pub(super) fn begin(&mut self, handshake: impl Future<Output = ()> + Send + 'static) {
        self.begin_within(DEADLINE, handshake);
    }

    fn begin_within(&mut self, deadline: Duration, handshake: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.under_way.retain(|task| !task.is_finished());
        if self.under_way.len() >= MAX_UNDER_WAY
            && let Some(oldest) = self.under_way.pop_front()
        {
            oldest.abort();
            tracing::debug!(MAX_UNDER_WAY, "too many TLS handshakes under way: the oldest makes room");
        }
        let bounded = async move {
            if tokio::time::timeout(deadline, handshake).await.is_err() {
                tracing::debug!("a TLS handshake took too long");
            }
        };
        self.under_way.push_back(self.tasks.spawn(bounded));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn the_oldest_makes_room_for_the_newest() {
        let mut handshakes = Handshakes::default();
        for _ in 0..MAX_UNDER_WAY {
            handshakes.begin(std::future::pending());
        }
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            let done = done.clone();
            handshakes.begin(async move {
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        while done.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
        assert!(handshakes.under_way.len() <= MAX_UNDER_WAY);
    }

    #[tokio::test]
    async fn a_stalled_one_ends_at_its_deadline() {
        let mut handshakes = Handshakes::default();
        handshakes.begin_within(Duration::from_millis(5), std::future::pending());
        assert!(tokio::time::timeout(DEADLINE, handshakes.tasks.join_next()).await.is_ok());
    }
}

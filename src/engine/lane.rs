//! Which way to a device: as a job, whose owner hears of every step, or for a caller who waits.

use std::sync::{Arc, Weak};

use super::failure::blocking;
use crate::device::{DeviceHandle, RunContext, Work, abandoned, interruption};
use crate::domain::Result;
use crate::ml::interrupt::Interrupt;

/// Steps that jobs and plans share take one of these.
#[derive(Debug, Clone)]
pub(super) enum Lane {
    Job(RunContext),
    /// On behalf of this client.
    Caller(String),
}

impl Lane {
    pub(super) async fn run<W: Work>(&self, device: &DeviceHandle, work: W) -> Result<W::Output> {
        match self {
            Self::Job(context) => device.run(work, context.clone()).await,
            Self::Caller(client) => device.visit(work, client).await,
        }
    }

    /// Runs what computes for long without the device, away from the async threads.
    ///
    /// # Cancel safety
    /// A job that is cancelled or whose time is up, or a caller who leaves, ends it at the next question that `act` asks.
    pub(super) async fn compute<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Interrupt) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let wanted = Arc::new(());
        let interrupt = self.interrupt(Arc::downgrade(&wanted));
        let result = blocking(move || act(&interrupt)).await;
        drop(wanted);
        result
    }

    /// Asks the owner of the work, and whether anybody waits for it still.
    fn interrupt(&self, wanted: Weak<()>) -> Interrupt {
        let terms = match self {
            Self::Job(context) => Some((context.cancel.clone(), context.deadline)),
            Self::Caller(_) => None,
        };
        Interrupt::when(move || {
            if wanted.strong_count() == 0 {
                return Err(abandoned());
            }
            let ended = terms.as_ref().and_then(|(cancel, deadline)| interruption(cancel, *deadline));
            ended.map_or(Ok(()), Err)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::{mpsc, watch};

    use super::*;
    use crate::device::{CancelReason, CancelToken};
    use crate::domain::job::Progress;

    /// Computes for as long as it may.
    fn endless(interrupt: &Interrupt) -> Result<()> {
        loop {
            interrupt.check()?;
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[tokio::test]
    async fn a_cancelled_job_ends_what_it_computes() {
        let cancel = CancelToken::new();
        let context = RunContext {
            label: "jobs/1".to_owned(),
            cancel: cancel.clone(),
            deadline: None,
            events: mpsc::channel(1).0,
            progress: watch::channel(Progress::default()).0,
        };
        let lane = Lane::Job(context);
        let computing = tokio::spawn(async move { lane.compute(endless).await });
        cancel.cancel(CancelReason::Requested);
        assert_eq!(computing.await.unwrap().unwrap_err().reason, "CANCELLED");
    }

    #[tokio::test]
    async fn a_caller_who_leaves_ends_what_was_computed_for_him() {
        let (tell, mut told) = mpsc::channel(1);
        let lane = Lane::Caller("somebody".to_owned());
        let act = move |interrupt: &Interrupt| {
            let ended = endless(interrupt);
            let _ = tell.blocking_send(ended.unwrap_err().reason);
            Ok(())
        };
        assert!(tokio::time::timeout(Duration::from_millis(20), lane.compute(act)).await.is_err());
        assert_eq!(told.recv().await, Some("WORK_ABANDONED"));
    }
}

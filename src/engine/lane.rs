//! Which way to a device: as a job, whose owner hears of every step, or for a caller who waits.

use crate::device::{DeviceHandle, RunContext, Work};
use crate::domain::Result;

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
}

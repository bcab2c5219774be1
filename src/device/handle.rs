//! The way to a device thread from async code: cheap to clone, never blocks.
//!
//! The typed interactive methods are beside the work they do, in `work/`.

use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::Span;

use crate::domain::finetune::Precision;
use crate::domain::{Error, Result};
use crate::ml::torch;

use super::cancel::stopping;
use super::command::{Call, Job, RunContext, Ticket, Work};
use super::devices::{DeviceInfo, DeviceKind};
use super::executor::DeviceLanes;
use super::ledger::Ledger;
use super::residents::Residents;
use super::status::Status;
use super::visit::Visit;
use super::work::AttributionCalls;

#[derive(Clone)]
pub struct DeviceHandle {
    pub(super) name: Arc<str>,
    pub(super) lanes: Arc<DeviceLanes>,
    pub(super) ledger: Ledger,
    pub(super) status: Arc<Status>,
    /// Attribution calls that wait; those with the same options are answered together.
    pub(super) attributions: Arc<AttributionCalls>,
}

impl std::fmt::Debug for DeviceHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DeviceHandle").field("name", &self.name).finish_non_exhaustive()
    }
}

impl DeviceHandle {
    /// `cpu`, `cuda:0`, ...
    pub fn name(&self) -> &str {
        &self.name
    }

    /// # Errors
    /// `PRECISION_UNSUPPORTED` when the device cannot compute in `precision`.
    pub fn check_precision(&self, precision: Precision) -> Result<()> {
        torch::check_precision(precision, torch::parse_device(&self.name)?)
    }

    /// Runs batch work to its end, step by step.
    ///
    /// # Errors
    /// What the work ends with; `DEVICE_QUEUE_FULL`, `DEVICE_STOPPING`, `DEADLINE_EXCEEDED`, or the error of the cancel reason.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the work: it stops after its current step and its output is lost. To stop it and learn
    /// when it has stopped, use the context's token.
    pub async fn run<W: Work>(&self, work: W, context: RunContext) -> Result<W::Output> {
        let (reply, answer) = oneshot::channel();
        let ticket = Ticket { context, reply, span: Span::current() };
        self.lanes.push_batch(Box::new(Job { work, ticket })).map_err(|error| self.name_in(error))?;
        self.receive(answer).await
    }

    /// Runs work for a caller who waits: a step at a time in the interactive lane, ahead of jobs and in turn with other clients.
    ///
    /// # Errors
    /// What the work ends with; `DEVICE_QUEUE_FULL`, `DEVICE_STOPPING`.
    ///
    /// # Cancel safety
    /// Dropping the future ends the work after its current step.
    pub async fn visit<W: Work>(&self, work: W, client: &str) -> Result<W::Output> {
        let (reply, answer) = oneshot::channel();
        let command = Box::new(Visit { work, client: client.to_owned(), reply, span: Span::current() });
        self.lanes.push_interactive(client, command).map_err(|error| self.name_in(error))?;
        self.receive(answer).await
    }

    /// Runs one interactive command.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the command: it is skipped unless it is running already.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Residents) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let command = Box::new(Call { act, reply, span: Span::current() });
        self.lanes.push_interactive("", command).map_err(|error| self.name_in(error))?;
        self.receive(answer).await
    }

    /// What the device holds and does, without asking its thread.
    pub fn info(&self) -> DeviceInfo {
        let usage = self.ledger.usage();
        let (interactive_waiting, batch_waiting) = self.lanes.depths();
        DeviceInfo {
            name: self.name.to_string(),
            kind: if self.name.starts_with("cuda") { DeviceKind::Cuda } else { DeviceKind::Cpu },
            total_bytes: usage.total,
            budget_bytes: usage.budget,
            used_bytes: usage.used,
            available_bytes: self.ledger.now(),
            models: usage.models,
            running: self.status.running(),
            interactive_waiting,
            batch_waiting,
            healthy: self.status.is_healthy(),
        }
    }

    async fn receive<T>(&self, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
        let Ok(result) = answer.await else {
            // Without an answer the thread has ended.
            return Err(self.name_in(stopping()));
        };
        if result.as_ref().is_err_and(|error| error.reason == "DEVICE_LOST") {
            self.status.set_lost();
        }
        result
    }

    fn name_in(&self, error: Error) -> Error {
        error.with_resource("device", format!("devices/{}", self.name))
    }
}

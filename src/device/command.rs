//! What travels to the device thread: interactive calls, and batch work with the ticket that says how to end it.
//!
//! ```text
//! Job (Waiting) ──start──► Progressing (Running) ──step──► ... ──► answer
//!       └────── refused: abandoned, cancelled, expired, closed ─────┘
//! ```

use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::Span;

use crate::domain::job::{EventBody, Progress};
use crate::domain::{Error, ErrorKind, Result};
use crate::ml::step::{Outcome, Position, Reporter, Task};

use super::cancel::{CancelToken, STOPPING};
use super::fault::{discard, guarded};
use super::meter::Meter;
use super::residents::Residents;

/// Work for the batch lane: sent to the device thread, where it becomes a task.
pub trait Work: Send + 'static {
    type Output: Send + 'static;

    /// Runs on the device thread and counts as a step.
    fn start(self, residents: &mut Residents) -> Result<Box<dyn Task<Output = Self::Output>>>;
}

/// What batch work needs from its owner.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// Names the work in `DeviceInfo::running` and in the log, e.g. `jobs/j1`.
    pub label: String,
    pub cancel: CancelToken,
    pub deadline: Option<Instant>,
    /// Durable events. The device thread waits while it is full; when the receiver is gone the work fails.
    pub events: mpsc::Sender<EventBody>,
    /// The latest progress wins.
    pub progress: watch::Sender<Progress>,
}

/// An interactive command. Tensors may come into being inside it; it never leaves the device thread once it has run.
pub(super) trait Command {
    /// For whom it is done; clients take turns. Empty: the daemon's own.
    fn client(&self) -> &str {
        ""
    }

    /// Runs and answers, unless nobody waits for the answer any more; or does a step and gives what is left to do, which waits
    /// for its turn behind the other interactive commands.
    fn execute(self: Box<Self>, residents: &mut Residents) -> Option<Box<dyn Command>>;
}

pub(super) struct Call<T, F> {
    pub(super) act: F,
    pub(super) reply: oneshot::Sender<Result<T>>,
    pub(super) span: Span,
}

impl<T: Send, F: FnOnce(&mut Residents) -> Result<T> + Send> Command for Call<T, F> {
    fn execute(self: Box<Self>, residents: &mut Residents) -> Option<Box<dyn Command>> {
        let Self { act, reply, span } = *self;
        if !reply.is_closed() {
            let _entered = span.enter();
            // A caller that left meanwhile does not want the answer.
            let _ = reply.send(guarded(|| act(residents)));
        }
        None
    }
}

/// Batch work that waits for its turn.
pub(super) trait Waiting: Send {
    fn label(&self) -> &str;

    /// Nobody waits for it, or it is cancelled or expired.
    fn is_dead(&self) -> bool;

    /// Ends it with its own reason, or with `otherwise`.
    fn refuse(self: Box<Self>, otherwise: Error);

    fn start(self: Box<Self>, residents: &mut Residents) -> Next;
}

/// The current batch task.
pub(super) trait Running {
    /// Does a step, tells progress, and looks at cancellation and deadline before and after.
    fn step(self: Box<Self>) -> Next;

    fn stop(self: Box<Self>, error: Error) -> Next;
}

/// What a step of batch work leads to.
pub(super) enum Next {
    Step(Box<dyn Running>),
    /// The task is gone; this tells its owner. Called once the device shows that it is free again.
    Ended(Box<dyn FnOnce()>),
}

pub(super) struct Job<W: Work> {
    pub(super) work: W,
    pub(super) ticket: Ticket<W::Output>,
}

/// How batch work is told about, and how it ends.
pub(super) struct Ticket<T> {
    pub(super) context: RunContext,
    pub(super) reply: oneshot::Sender<Result<T>>,
    pub(super) span: Span,
}

impl<T: 'static> Ticket<T> {
    /// Why the work must not go on.
    fn interruption(&self) -> Option<Error> {
        if self.reply.is_closed() {
            return Some(abandoned());
        }
        interruption(&self.context.cancel, self.context.deadline)
    }

    fn end(self, result: Result<T>) -> Next {
        Next::Ended(Box::new(move || self.answer(result)))
    }

    fn answer(self, result: Result<T>) {
        if let Err(error) = &result {
            tracing::debug!(parent: &self.span, label = self.context.label, reason = error.reason, "batch work ended early");
        }
        let _ = self.reply.send(result);
    }
}

impl<W: Work> Waiting for Job<W> {
    fn label(&self) -> &str {
        &self.ticket.context.label
    }

    fn is_dead(&self) -> bool {
        self.ticket.interruption().is_some()
    }

    fn refuse(self: Box<Self>, otherwise: Error) {
        let error = self.ticket.interruption().unwrap_or(otherwise);
        self.ticket.answer(Err(error));
    }

    fn start(self: Box<Self>, residents: &mut Residents) -> Next {
        let Self { work, ticket } = *self;
        if let Some(error) = ticket.interruption() {
            return ticket.end(Err(error));
        }
        let started = ticket.span.in_scope(|| guarded(|| work.start(residents)));
        match started {
            Ok(task) => {
                let meter = Meter::new(task.position(), Instant::now());
                Next::Step(Box::new(Progressing { task, meter, ticket }))
            }
            Err(error) => ticket.end(Err(error)),
        }
    }
}

struct Progressing<T> {
    task: Box<dyn Task<Output = T>>,
    meter: Meter,
    ticket: Ticket<T>,
}

impl<T: Send + 'static> Running for Progressing<T> {
    fn step(mut self: Box<Self>) -> Next {
        // Interactive commands may have run since the last look.
        if let Some(error) = self.ticket.interruption() {
            return self.stop(error);
        }
        match self.advance() {
            Ok(Outcome::Continue) => {}
            Ok(Outcome::Done(output)) => return self.finish(Ok(output)),
            Err(error) => return self.finish(Err(error)),
        }
        match self.ticket.interruption() {
            Some(error) => self.stop(error),
            None => Next::Step(self),
        }
    }

    fn stop(mut self: Box<Self>, error: Error) -> Next {
        if error.reason == STOPPING {
            self.pause();
        }
        self.finish(Err(error))
    }
}

impl<T: 'static> Progressing<T> {
    fn advance(&mut self) -> Result<Outcome<T>> {
        let Self { task, meter, ticket } = self;
        let _entered = ticket.span.enter();
        let before = task.position();
        let outcome = guarded(|| task.step(&mut Events(&ticket.context.events)))?;
        let position = match &outcome {
            Outcome::Continue => task.position(),
            Outcome::Done(_) => Position { step: before.total, ..before },
        };
        if let Some(progress) = meter.reading(position, Instant::now()) {
            ticket.context.progress.send_replace(progress);
        }
        Ok(outcome)
    }

    /// It will be taken up again. What cannot be saved is computed again.
    fn pause(&mut self) {
        let Self { task, ticket, .. } = self;
        if let Err(error) = ticket.span.in_scope(|| guarded(|| task.pause(&mut Events(&ticket.context.events)))) {
            tracing::warn!(label = ticket.context.label, error = %error, "interrupted work was not saved");
        }
    }

    /// The task's memory is back before the answer leaves.
    fn finish(self, result: Result<T>) -> Next {
        discard(self.task);
        self.ticket.end(result)
    }
}

/// Durable events wait for the store.
struct Events<'a>(&'a mpsc::Sender<EventBody>);

impl Reporter for Events<'_> {
    fn event(&mut self, event: EventBody) -> Result<()> {
        self.0.blocking_send(event).map_err(|_| abandoned())
    }
}

/// What work ends with that has run longer than it may.
/// Why a job must not go on: it was asked to stop, or its time is up.
pub fn interruption(cancel: &CancelToken, deadline: Option<Instant>) -> Option<Error> {
    if let Some(reason) = cancel.reason() {
        return Some(reason.error());
    }
    deadline.is_some_and(|deadline| Instant::now() >= deadline).then(deadline_exceeded)
}

fn deadline_exceeded() -> Error {
    let message = "the job has run longer than its timeout; submit it again with a longer one, or with less to do";
    Error::new(ErrorKind::DeadlineExceeded, "DEADLINE_EXCEEDED", message)
}

pub fn abandoned() -> Error {
    Error::new(ErrorKind::Aborted, "WORK_ABANDONED", "nobody waits for this work any more")
}

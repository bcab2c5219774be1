//! The unit of work: one optimiser step, one evaluation batch, one feature batch (aim: 200 ms or less).
//!
//! A `Task` is a plain state machine on the device thread. Whoever drives it checks for cancellation, deadlines and more urgent
//! work between steps, so no algorithm contains concurrency code.

use crate::domain::Result;
use crate::domain::job::EventBody;

/// Whether a task goes on.
#[derive(Debug)]
pub enum Outcome<T> {
    Continue,
    Done(T),
}

/// How far a task is: `step` of `total` in the stage named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    pub stage: &'static str,
    pub step: u64,
    pub total: u64,
}

/// Takes what a step has to tell durably: metrics, checkpoints, messages.
pub trait Reporter {
    /// Blocks while the store is behind; fails when the job must stop.
    fn event(&mut self, event: EventBody) -> Result<()>;
}

/// A piece of work cut into steps. A task is created and stepped on one thread only.
pub trait Task {
    type Output;

    /// Does one step. After `Done` or an error it is not called again.
    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<Self::Output>>;

    fn position(&self) -> Position;

    /// The work is interrupted between two steps and will be taken up again: a task that can save itself does so now.
    fn pause(&mut self, _reporter: &mut dyn Reporter) -> Result<()> {
        Ok(())
    }
}

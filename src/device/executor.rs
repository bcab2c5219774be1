//! The loop of a device thread.
//!
//! ```text
//! ┌─► interactive command (or its next step), if one waits and the burst is not spent
//! │   else one step of the current batch task (or the start of the next), then cancel and deadline, then progress
//! └── sleep on the lanes when there is neither
//! ```
//!
//! Preemption, cancellation and fairness happen here, between steps, and nowhere else.

use std::sync::Arc;

use super::cancel::stopping;
use super::command::{Command, Next, Running, Waiting};
use super::queue::{Lanes, Turn};
use super::residents::Residents;
use super::status::Status;
use super::turns::Turns;

pub(super) type DeviceLanes = Lanes<Box<dyn Command + Send>, Box<dyn Waiting>>;

pub(super) struct Executor {
    lanes: Arc<DeviceLanes>,
    residents: Residents,
    status: Arc<Status>,
    current: Option<Box<dyn Running>>,
    /// Interactive commands that have begun and have steps left.
    begun: Turns<Box<dyn Command>>,
}

impl Executor {
    pub(super) fn new(lanes: Arc<DeviceLanes>, residents: Residents, status: Arc<Status>) -> Self {
        Self { lanes, residents, status, current: None, begun: Turns::new() }
    }

    /// Serves until the lanes are closed and the interactive one is empty.
    pub(super) fn run(mut self) {
        loop {
            match self.lanes.next(self.current.is_some(), !self.begun.is_empty()) {
                Turn::Interactive(command) => self.execute(command),
                Turn::Continue => self.go_on_interactive(),
                Turn::Start(waiting) => self.start(waiting),
                Turn::Step => self.step(),
                Turn::Close => break,
            }
            self.refuse_dead();
        }
        self.close();
    }

    fn execute(&mut self, command: Box<dyn Command>) {
        if let Some(rest) = command.execute(&mut self.residents) {
            let client = rest.client().to_owned();
            self.begun.push(&client, rest);
        }
    }

    fn go_on_interactive(&mut self) {
        if let Some(command) = self.begun.pop() {
            self.execute(command);
        }
    }

    fn start(&mut self, waiting: Box<dyn Waiting>) {
        self.status.set_running(Some(waiting.label()));
        let next = waiting.start(&mut self.residents);
        self.go_on(next);
    }

    fn step(&mut self) {
        if let Some(running) = self.current.take() {
            self.go_on(running.step());
        }
    }

    /// Keeps the task, or answers for it when the device shows that it is free and the memory is back.
    fn go_on(&mut self, next: Next) {
        match next {
            Next::Step(running) => self.current = Some(running),
            Next::Ended(answer) => {
                self.status.set_running(None);
                self.residents.trim();
                answer();
            }
        }
    }

    /// Waiting work that is cancelled, expired or abandoned is answered now, not when its turn comes.
    fn refuse_dead(&self) {
        for dead in self.lanes.take_batch(|waiting| waiting.is_dead()) {
            dead.refuse(stopping());
        }
    }

    fn close(&mut self) {
        if let Some(running) = self.current.take() {
            self.go_on(running.stop(stopping()));
        }
        for waiting in self.lanes.take_batch(|_| true) {
            waiting.refuse(stopping());
        }
    }
}

//! Images of one or several callers under way: one step a turn, item by item to its caller.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use tracing::Span;

use super::attribute::{AttributedImage, AttributionCall, Owner, Replies};
use crate::device::command::Command;
use crate::device::fault::{discard, guarded};
use crate::device::{Reservation, Residents};
use crate::domain::attribution::{Attribution, AttributionOptions};
use crate::domain::job::EventBody;
use crate::domain::{Error, Result};
use crate::ml::attribution::{AttributionTask, Finished, Item};
use crate::ml::backbone::Differentiable;
use crate::ml::step::{Outcome, Reporter, Task};

/// When a batch fails, the items in it are tried one by one, so that only those fail that
/// the model fails on.
pub(super) struct Session {
    model: Rc<Differentiable>,
    options: AttributionOptions,
    items: Vec<Item>,
    task: AttributionTask,
    /// The items of the task, by their place among all.
    of_task: Vec<usize>,
    /// To be tried alone afterwards.
    alone: VecDeque<usize>,
    owners: Vec<Option<Owner>>,
    client: String,
    span: Span,
    _reservation: Reservation,
}

impl Session {
    /// Of calls with one version and equal options; takes `owners` once it will answer them.
    pub(super) fn begin(
        residents: &mut Residents,
        calls: Vec<(AttributionCall, Replies)>,
        owners: &mut Vec<Option<Owner>>,
        span: Span,
    ) -> Result<Self> {
        let first = &calls[0].0;
        let model = residents.differentiable(&first.model, first.options.precision)?;
        let options = first.options.clone();
        let reservation = residents.reserve_attribution(&first.model, &options)?;
        let mut items = Vec::new();
        for (call, _) in &calls {
            // Streams count within a call, so that an answer does not depend on who else asks.
            items.extend(Item::from_images(&call.images, &call.targets, 0, model.spec(), model.device())?);
        }
        let task = AttributionTask::new(model.clone(), options.clone(), items.iter().map(Item::share).collect())?;
        Ok(Self {
            model,
            options,
            task,
            of_task: (0..items.len()).collect(),
            items,
            alone: VecDeque::new(),
            owners: std::mem::take(owners),
            client: joint_client(&calls),
            span,
            _reservation: reservation,
        })
    }

    fn is_abandoned(&self) -> bool {
        self.owners.iter().flatten().all(|(replies, _)| replies.is_closed())
    }

    fn hand_out(&mut self) {
        while let Some(Finished { index, attribution }) = self.task.finished() {
            answer(&mut self.owners[self.of_task[index]], attribution);
        }
    }

    /// After a failure of the task: of one item it is the answer, of several nobody knows whose it is.
    fn fail(mut self: Box<Self>, error: &Error) -> Option<Box<dyn Command>> {
        let open: Vec<usize> = self.of_task.iter().copied().filter(|index| self.owners[*index].is_some()).collect();
        match open.as_slice() {
            _ if error.reason == "DEVICE_LOST" => refuse(&mut self.owners, error),
            [only] => answer(&mut self.owners[*only], Err(error.echo())),
            several => self.alone.extend(several),
        }
        self.go_on()
    }

    /// The next item that is tried alone.
    fn go_on(mut self: Box<Self>) -> Option<Box<dyn Command>> {
        while let Some(index) = self.alone.pop_front() {
            if self.owners[index].as_ref().is_none_or(|(replies, _)| replies.is_closed()) {
                continue;
            }
            let item = self.items[index].share();
            match guarded(|| AttributionTask::new(self.model.clone(), self.options.clone(), vec![item])) {
                Ok(task) => {
                    (self.task, self.of_task) = (task, vec![index]);
                    return Some(self);
                }
                Err(error) => answer(&mut self.owners[index], Err(error)),
            }
        }
        None
    }
}

impl Command for Session {
    fn client(&self) -> &str {
        &self.client
    }

    fn execute(mut self: Box<Self>, _residents: &mut Residents) -> Option<Box<dyn Command>> {
        let span = self.span.clone();
        let _entered = span.enter();
        if self.is_abandoned() {
            discard(self);
            return None;
        }
        let outcome = guarded(|| self.task.step(&mut Silent));
        self.hand_out();
        match outcome {
            Ok(Outcome::Continue) => Some(self),
            Ok(Outcome::Done(())) => self.go_on(),
            Err(error) => {
                // Callers are told no more than that it failed.
                tracing::error!(error = ?error, items = self.of_task.len(), "a batch of attributions failed");
                self.fail(&error)
            }
        }
    }
}

/// Under which a session takes turns: all its clients, so that one who joins another does not wait for the other's further sessions.
fn joint_client(calls: &[(AttributionCall, Replies)]) -> String {
    let clients: BTreeSet<&str> = calls.iter().map(|(call, _)| call.client.as_str()).collect();
    clients.into_iter().collect::<Vec<_>>().join("+")
}

/// Every item that is not answered yet gets the same refusal.
pub(super) fn refuse(owners: &mut [Option<Owner>], error: &Error) {
    for owner in owners {
        answer(owner, Err(error.echo()));
    }
}

/// Answers once; the channel has room for every image of its call.
fn answer(owner: &mut Option<Owner>, outcome: Result<Attribution>) {
    if let Some((replies, index)) = owner.take() {
        let _ = replies.try_send(AttributedImage { index, outcome });
    }
}

/// Interactive work has no durable events.
struct Silent;

impl Reporter for Silent {
    fn event(&mut self, _event: EventBody) -> Result<()> {
        Ok(())
    }
}

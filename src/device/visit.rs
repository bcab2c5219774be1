//! Work for a caller who waits: in the interactive lane, one step a turn, so that it neither waits for jobs nor holds up short
//! calls. Nobody watches it: it has no progress, and its events go nowhere.

use tokio::sync::oneshot;
use tracing::Span;

use super::command::{Command, Work};
use super::fault::{discard, guarded};
use super::residents::Residents;
use crate::domain::Result;
use crate::domain::job::EventBody;
use crate::ml::step::{Outcome, Reporter, Task};

/// Work that has not begun.
pub(super) struct Visit<W: Work> {
    pub(super) work: W,
    pub(super) client: String,
    pub(super) reply: oneshot::Sender<Result<W::Output>>,
    pub(super) span: Span,
}

/// Work with steps left.
struct Visiting<T> {
    task: Box<dyn Task<Output = T>>,
    client: String,
    reply: oneshot::Sender<Result<T>>,
    span: Span,
}

impl<W: Work> Command for Visit<W> {
    fn client(&self) -> &str {
        &self.client
    }

    fn execute(self: Box<Self>, residents: &mut Residents) -> Option<Box<dyn Command>> {
        let Self { work, client, reply, span } = *self;
        if reply.is_closed() {
            return None;
        }
        match span.in_scope(|| guarded(|| work.start(residents))) {
            Ok(task) => Some(Box::new(Visiting { task, client, reply, span })),
            Err(error) => {
                let _ = reply.send(Err(error));
                None
            }
        }
    }
}

impl<T: Send + 'static> Command for Visiting<T> {
    fn client(&self) -> &str {
        &self.client
    }

    fn execute(mut self: Box<Self>, _residents: &mut Residents) -> Option<Box<dyn Command>> {
        if self.reply.is_closed() {
            discard(self.task);
            return None;
        }
        let step = self.span.in_scope(|| guarded(|| self.task.step(&mut Unheard)));
        let result = match step {
            Ok(Outcome::Continue) => return Some(self),
            Ok(Outcome::Done(output)) => Ok(output),
            Err(error) => Err(error),
        };
        // The task's memory is back before the answer leaves; a caller that left meanwhile does not want it.
        let Self { task, client: _, reply, span: _ } = *self;
        discard(task);
        let _ = reply.send(result);
        None
    }
}

struct Unheard;

impl Reporter for Unheard {
    fn event(&mut self, _event: EventBody) -> Result<()> {
        Ok(())
    }
}

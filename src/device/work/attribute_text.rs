//! Attribution of texts for a caller who waits: item by item, a chunk of rows a turn.

use std::collections::VecDeque;
use std::rc::Rc;

use tokio::sync::mpsc;
use tracing::Span;

use crate::device::command::Command;
use crate::device::fault::{discard, guarded};
use crate::device::{DeviceHandle, ModelSource, Reservation, Residents};
use crate::domain::job::EventBody;
use crate::domain::text_attribution::{TextAttribution, TextAttributionOptions};
use crate::domain::{Error, Result};
use crate::ml::language::{Language, TextAttributionTask, TextItem};
use crate::ml::step::{Outcome, Reporter, Task};

#[derive(Debug)]
pub struct TextAttributionCall {
    pub model: ModelSource,
    pub options: TextAttributionOptions,
    pub items: Vec<TextItem>,
    /// Who asks; clients take turns.
    pub client: String,
}

/// One text is done, or has failed while the others go on.
#[derive(Debug)]
pub struct AttributedText {
    /// Position in the call.
    pub index: usize,
    pub outcome: Result<TextAttribution>,
}

type Replies = mpsc::Sender<AttributedText>;

impl DeviceHandle {
    /// Answers text by text, in order; the channel holds the whole answer.
    ///
    /// # Errors
    /// `DEVICE_QUEUE_FULL`, `DEVICE_STOPPING`. What concerns a text is in its outcome.
    ///
    /// # Cancel safety
    /// Dropping the receiver ends the work after its current step.
    pub fn attribute_text(&self, call: TextAttributionCall) -> Result<mpsc::Receiver<AttributedText>> {
        let (replies, answer) = mpsc::channel(call.items.len().max(1));
        let TextAttributionCall { model, options, items, client } = call;
        let owner = Owner { client: client.clone(), replies, span: Span::current() };
        let begin = Begin { model, options, items, owner };
        self.lanes.push_interactive(&client, Box::new(begin))?;
        Ok(answer)
    }
}

/// Who waits.
struct Owner {
    client: String,
    replies: Replies,
    span: Span,
}

impl Owner {
    fn answer(&self, index: usize, outcome: Result<TextAttribution>) {
        // It has room for every item; who left meanwhile does not want it.
        let _ = self.replies.try_send(AttributedText { index, outcome });
    }
}

struct Begin {
    model: ModelSource,
    options: TextAttributionOptions,
    items: Vec<TextItem>,
    owner: Owner,
}

impl Command for Begin {
    fn client(&self) -> &str {
        &self.owner.client
    }

    fn execute(self: Box<Self>, residents: &mut Residents) -> Option<Box<dyn Command>> {
        let Self { model, options, items, owner } = *self;
        let span = owner.span.clone();
        let _entered = span.enter();
        let begun = guarded(|| {
            let language = residents.lease_language(&model)?;
            let bytes = language.attribution_bytes(&options);
            let reservation = residents.reserve(&format!("attributing with `{}`", model.version), bytes)?;
            Ok((language, reservation))
        });
        match begun {
            Ok((language, reservation)) => {
                let waiting = items.into_iter().enumerate().collect();
                Session { language, options, waiting, task: None, owner, _reservation: reservation }.next()
            }
            Err(error) => {
                (0..items.len()).for_each(|index| owner.answer(index, Err(error.echo())));
                None
            }
        }
    }
}

struct Session {
    language: Rc<Language>,
    options: TextAttributionOptions,
    waiting: VecDeque<(usize, TextItem)>,
    /// Of the item with this index.
    task: Option<(usize, TextAttributionTask)>,
    owner: Owner,
    _reservation: Reservation,
}

impl Session {
    /// Begins the next item that can be begun.
    fn next(mut self) -> Option<Box<dyn Command>> {
        while let Some((index, item)) = self.waiting.pop_front() {
            match guarded(|| TextAttributionTask::new(&self.language, &item, &self.options)) {
                Ok(task) => {
                    self.task = Some((index, task));
                    return Some(Box::new(self));
                }
                Err(error) => self.owner.answer(index, Err(error)),
            }
        }
        None
    }

    fn fail(mut self, index: usize, error: Error) -> Option<Box<dyn Command>> {
        if error.reason == "DEVICE_LOST" {
            self.waiting.drain(..).for_each(|(index, _)| self.owner.answer(index, Err(error.echo())));
        }
        self.owner.answer(index, Err(error));
        self.next()
    }
}

impl Command for Session {
    fn client(&self) -> &str {
        &self.owner.client
    }

    /// A pass through a language model takes hundreds of megabytes, which go back to the system when the last text is done.
    fn execute(self: Box<Self>, residents: &mut Residents) -> Option<Box<dyn Command>> {
        let rest = self.advance();
        if rest.is_none() {
            residents.trim();
        }
        rest
    }
}

impl Session {
    fn advance(mut self: Box<Self>) -> Option<Box<dyn Command>> {
        let span = self.owner.span.clone();
        let _entered = span.enter();
        if self.owner.replies.is_closed() {
            discard(self);
            return None;
        }
        let Some((index, mut task)) = self.task.take() else { return self.next() };
        match guarded(|| task.step(&mut Silent)) {
            Ok(Outcome::Continue) => {
                self.task = Some((index, task));
                Some(self)
            }
            Ok(Outcome::Done(attribution)) => {
                self.owner.answer(index, Ok(attribution));
                self.next()
            }
            Err(error) => self.fail(index, error),
        }
    }
}

/// Interactive work has no durable events.
struct Silent;

impl Reporter for Silent {
    fn event(&mut self, _event: EventBody) -> Result<()> {
        Ok(())
    }
}

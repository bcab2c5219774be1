//! A language model writes for a caller who waits, in the interactive lane: a token a turn.

use tokio::sync::mpsc;
use tracing::Span;

use crate::device::command::Command;
use crate::device::fault::{discard, guarded};
use crate::device::{DeviceHandle, ModelSource, Reservation, Residents};
use crate::domain::Result;
use crate::domain::generation::{GenerationOptions, Piece, TextInput};
use crate::ml::language::Writer;

#[derive(Debug)]
pub struct GenerateCall {
    pub model: ModelSource,
    pub input: TextInput,
    pub options: GenerationOptions,
    /// Who asks; clients take turns.
    pub client: String,
}

type Replies = mpsc::Sender<Result<Piece>>;

impl DeviceHandle {
    /// Answers piece by piece; the last one says why it is the last, or is an error. The channel holds the whole answer, so a slow reader delays
    /// nobody.
    ///
    /// # Errors
    /// `DEVICE_QUEUE_FULL`, `DEVICE_STOPPING`. What concerns the input comes by the channel.
    ///
    /// # Cancel safety
    /// Dropping the receiver ends the work after its current token.
    pub fn generate(&self, call: GenerateCall) -> Result<mpsc::Receiver<Result<Piece>>> {
        let (replies, answer) = mpsc::channel(call.options.max_tokens as usize + 1);
        let client = call.client.clone();
        let begin = Begin { call, replies, span: Span::current() };
        self.lanes.push_interactive(&client, Box::new(begin))?;
        Ok(answer)
    }
}

struct Begin {
    call: GenerateCall,
    replies: Replies,
    span: Span,
}

impl Begin {
    fn writer(&self, residents: &mut Residents) -> Result<(Writer, Reservation)> {
        let GenerateCall { model, input, options, client: _ } = &self.call;
        let language = residents.lease_language(model)?;
        let prompt = language.prompt(input)?;
        let bytes = language.writing_bytes(prompt.len(), options);
        let reservation = residents.reserve(&format!("writing with `{}`", model.version), bytes)?;
        Ok((language.write(&prompt, options)?, reservation))
    }
}

impl Command for Begin {
    fn client(&self) -> &str {
        &self.call.client
    }

    fn execute(self: Box<Self>, residents: &mut Residents) -> Option<Box<dyn Command>> {
        if self.replies.is_closed() {
            return None;
        }
        let span = self.span.clone();
        let _entered = span.enter();
        match guarded(|| self.writer(residents)) {
            Ok((writer, reservation)) => {
                let Self { call, replies, span } = *self;
                Some(Box::new(Writing { writer, client: call.client, replies, span, _reservation: reservation }))
            }
            Err(error) => {
                let _ = self.replies.try_send(Err(error));
                None
            }
        }
    }
}

/// With tokens left to write.
struct Writing {
    writer: Writer,
    client: String,
    replies: Replies,
    span: Span,
    _reservation: Reservation,
}

impl Command for Writing {
    fn client(&self) -> &str {
        &self.client
    }

    fn execute(self: Box<Self>, residents: &mut Residents) -> Option<Box<dyn Command>> {
        let rest = self.advance();
        if rest.is_none() {
            residents.trim();
        }
        rest
    }
}

impl Writing {
    fn advance(mut self: Box<Self>) -> Option<Box<dyn Command>> {
        let span = self.span.clone();
        let _entered = span.enter();
        if self.replies.is_closed() {
            discard(self);
            return None;
        }
        let piece = guarded(|| self.writer.step());
        let goes_on = piece.as_ref().is_ok_and(|piece| piece.finish.is_none());
        // It has room for every piece; who left meanwhile does not want it.
        let _ = self.replies.try_send(piece);
        if goes_on { Some(self) } else { None }
    }
}

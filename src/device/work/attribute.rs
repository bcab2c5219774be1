//! Attribution of inline images, in the interactive lane: many small steps, between which jobs and shorter calls run.
//!
//! ```text
//! attribute() ─► waiting calls ─► Begin takes every call with the same version and options ─► Session ─► one step a turn
//!                                                                                              └─► item by item to its caller
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tracing::Span;

use super::attribution_session::{Session, refuse};
use crate::device::command::Command;
use crate::device::fault::guarded;
use crate::device::turns::Turns;
use crate::device::{DeviceHandle, ModelSource, Residents};
use crate::domain::Result;
use crate::domain::attribution::{Attribution, AttributionOptions};
use crate::domain::dataset::ImageBatch;

/// Images of all callers that one session takes.
const MAX_SESSION_IMAGES: usize = 256;

/// Images to attribute for one caller.
#[derive(Debug)]
pub struct AttributionCall {
    pub model: ModelSource,
    pub options: AttributionOptions,
    /// Of the model's shape, not yet normalised.
    pub images: ImageBatch,
    /// The class explained of each image; absent: the predicted one.
    pub targets: Vec<Option<u32>>,
    /// Who asks; clients take turns.
    pub client: String,
}

/// One image is done, or has failed while the others go on.
#[derive(Debug)]
pub struct AttributedImage {
    /// Position in the call.
    pub index: usize,
    pub outcome: Result<Attribution>,
}

pub(super) type Replies = mpsc::Sender<AttributedImage>;
/// Who waits for an item, and its index in the call.
pub(super) type Owner = (Replies, usize);

/// Calls that wait for a session.
#[derive(Debug, Default)]
pub(in crate::device) struct AttributionCalls(Mutex<VecDeque<(AttributionCall, Replies)>>);

impl DeviceHandle {
    /// Answers image by image, in order; the channel holds the whole answer, so a slow reader delays nobody.
    ///
    /// # Errors
    /// `DEVICE_QUEUE_FULL`, `DEVICE_STOPPING`. What concerns an image is in its outcome.
    ///
    /// # Cancel safety
    /// Dropping the receiver abandons the call: it is skipped, or its session ends early if nobody else is in it.
    pub fn attribute(&self, call: AttributionCall) -> Result<mpsc::Receiver<AttributedImage>> {
        let (replies, answer) = mpsc::channel(call.images.count.max(1));
        let calls = self.attributions.clone();
        let withdrawal = replies.clone();
        let client = call.client.clone();
        calls.lock().push_back((call, replies));
        let begin = Begin { calls: calls.clone(), client: client.clone(), span: Span::current() };
        self.lanes.push_interactive(&client, Box::new(begin)).inspect_err(|_| calls.withdraw(&withdrawal))?;
        Ok(answer)
    }
}

impl AttributionCalls {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(AttributionCall, Replies)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn withdraw(&self, replies: &Replies) {
        self.lock().retain(|(_, other)| !other.same_channel(replies));
    }

    /// The client's oldest call that somebody waits for, with all calls that can share its batches, clients in turn.
    fn take(&self, client: &str) -> Vec<(AttributionCall, Replies)> {
        let mut waiting = self.lock();
        waiting.retain(|(_, replies)| !replies.is_closed());
        let oldest = waiting.iter().position(|(call, _)| call.client == client);
        let Some(first) = oldest.and_then(|oldest| waiting.remove(oldest)) else { return Vec::new() };
        let mut taken = vec![first];
        let mut images = taken[0].0.images.count;
        let mut index = 0;
        while index < waiting.len() {
            let call = &waiting[index].0;
            let fits = images + call.images.count <= MAX_SESSION_IMAGES && call.shares_batches_with(&taken[0].0);
            match fits.then(|| waiting.remove(index)).flatten() {
                Some(other) => {
                    images += other.0.images.count;
                    taken.push(other);
                }
                None => index += 1,
            }
        }
        in_turn(taken)
    }
}

/// Every client's first call, then every client's second, ...
fn in_turn(calls: Vec<(AttributionCall, Replies)>) -> Vec<(AttributionCall, Replies)> {
    let mut turns = Turns::new();
    for call in calls {
        let client = call.0.client.clone();
        turns.push(&client, call);
    }
    std::iter::from_fn(|| turns.pop()).collect()
}

impl AttributionCall {
    fn shares_batches_with(&self, other: &Self) -> bool {
        self.model.version == other.model.version && self.options == other.options
    }
}

/// Turns waiting calls into a session. There is one for each call; those whose call was taken along find nothing.
struct Begin {
    calls: Arc<AttributionCalls>,
    client: String,
    span: Span,
}

impl Command for Begin {
    fn execute(self: Box<Self>, residents: &mut Residents) -> Option<Box<dyn Command>> {
        let calls = self.calls.take(&self.client);
        if calls.is_empty() {
            return None;
        }
        let span = self.span.clone();
        let _entered = span.enter();
        let mut owners = owners(&calls);
        match guarded(|| Session::begin(residents, calls, &mut owners, self.span.clone())) {
            Ok(session) => Some(Box::new(session)),
            Err(error) => {
                refuse(&mut owners, &error);
                None
            }
        }
    }
}

/// Where the outcome of each item goes: the caller and the index there.
fn owners(calls: &[(AttributionCall, Replies)]) -> Vec<Option<Owner>> {
    let of_call = |(call, replies): &(AttributionCall, Replies)| {
        let replies = replies.clone();
        (0..call.images.count).map(move |index| Some((replies.clone(), index))).collect::<Vec<_>>()
    };
    calls.iter().flat_map(of_call).collect()
}

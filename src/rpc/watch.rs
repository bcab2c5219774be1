//! WatchJob's stream. The engine bounds and paces it; here items become messages, and a draining daemon cuts it.

use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use super::convert::{ClassNames, job_event};
use super::drain::Drain;
use crate::domain::{Error, Result};
use crate::engine::WatchItem;
use crate::pb::v1 as pb;

/// The items of a watch as messages, until they end, fail, or the daemon drains.
///
/// # Cancel safety
/// Dropping the stream (the client left) changes nothing for the job.
pub(super) fn events<S>(
    items: S,
    names: ClassNames,
    drain: Drain,
    to_status: impl Fn(Error) -> Status + Send + 'static,
) -> impl Stream<Item = std::result::Result<pb::JobEvent, Status>> + Send
where
    S: Stream<Item = Result<WatchItem>> + Send + 'static,
{
    until_drained(items, drain).map(move |item| item.map(|item| job_event(item, &names)).map_err(&to_status))
}

/// Passes items on; once the daemon drains, one UNAVAILABLE and the end. Items that are there already go first.
fn until_drained<T, S>(items: S, drain: Drain) -> impl Stream<Item = Result<T>> + Send
where
    T: Send + 'static,
    S: Stream<Item = Result<T>> + Send + 'static,
{
    let mut items = Box::pin(items);
    let mut drained = Box::pin(async move { drain.begun().await });
    let mut over = false;
    stream_fn(move |context| {
        use std::task::Poll;
        if over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(item) = items.as_mut().poll_next(context) {
            over = !matches!(item, Some(Ok(_)));
            return Poll::Ready(item);
        }
        std::future::Future::poll(drained.as_mut(), context).map(|()| {
            over = true;
            Some(Err(Drain::error()))
        })
    })
}

/// A stream from its `poll_next`.
fn stream_fn<T>(
    poll: impl FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<T>> + Send + Unpin,
) -> impl Stream<Item = T> + Send {
    struct FromPoll<F>(F);

    impl<T, F> Stream for FromPoll<F>
    where
        F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<T>> + Unpin,
    {
        type Item = T;

        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<T>> {
            (self.0)(context)
        }
    }

    FromPoll(poll)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(number: u32) -> Result<u32> {
        Ok(number)
    }

    #[tokio::test]
    async fn a_finished_watch_just_ends() {
        let stream = until_drained(tokio_stream::iter([item(1), item(2)]), Drain::default());
        let seen: Vec<_> = stream.map(|item| item.unwrap()).collect().await;
        assert_eq!(seen, [1, 2]);
    }

    #[tokio::test]
    async fn a_drain_ends_a_quiet_watch_with_unavailable() {
        let drain = Drain::default();
        let mut stream = Box::pin(until_drained(tokio_stream::pending::<Result<u32>>(), drain.clone()));
        drain.begin();
        assert_eq!(stream.next().await.unwrap().unwrap_err().reason, "DRAINING");
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn an_error_is_the_last_item() {
        let failing = tokio_stream::iter([item(1), Err(Error::internal("store")), item(2)]);
        let seen: Vec<_> = until_drained(failing, Drain::default()).collect().await;
        assert_eq!(seen.len(), 2);
    }
}

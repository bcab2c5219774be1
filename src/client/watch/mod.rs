//! Follows the events of a job across broken connections, and shows them as a progress bar.
//!
//! ```text
//! WatchJob(after = cursor) ──► events ──► cursor (no gap, no repeat) ──► caller
//!        ▲                                   │ broken or gap
//!        └────────── wait (backoff) ◄────────┘
//! ```

mod backoff;
mod bar;
mod cursor;

use tokio_stream::StreamExt;
use tonic::{Code, Status};

use super::error::{Error, Result};
use super::session::Session;
use crate::pb::v1::{JobEvent, WatchJobRequest};

use backoff::Backoff;
use bar::ProgressBars;
use cursor::{Cursor, Verdict};

/// Waits for the end of a job with progress on standard error.
///
/// # Cancel safety
/// Dropping the future leaves the job running; so does Ctrl-C, which ends the wait with [`Error::Interrupted`].
pub(crate) async fn until_end(session: &Session, name: &str) -> Result<()> {
    let mut bars = ProgressBars::new(session.output);
    let followed = follow(session, name, 0, |event| {
        bars.show(event);
        Ok(())
    })
    .await;
    bars.finish();
    followed
}

/// Calls `on_event` for each event after a sequence number, once and in order, until the job's last or its first error.
pub(crate) async fn follow(
    session: &Session,
    name: &str,
    after_sequence: i64,
    on_event: impl FnMut(&JobEvent) -> Result<()>,
) -> Result<()> {
    tokio::select! {
        followed = follow_until_end(session, name, after_sequence, on_event) => followed,
        _ = tokio::signal::ctrl_c() => Err(Error::Interrupted { job: name.to_owned() }),
    }
}

async fn follow_until_end(
    session: &Session,
    name: &str,
    after_sequence: i64,
    mut on_event: impl FnMut(&JobEvent) -> Result<()>,
) -> Result<()> {
    let mut cursor = Cursor::after(after_sequence);
    let mut backoff = Backoff::default();
    loop {
        let seen = cursor.sequence();
        let broken = match follow_once(session, name, &mut cursor, &mut on_event).await {
            Err(Error::Call(status)) if is_transient(&status) => status,
            ended => return ended,
        };
        if cursor.sequence() > seen {
            backoff = Backoff::default();
        }
        let Some(delay) = backoff.next_delay() else {
            return Err(Error::WatchLost { job: name.to_owned(), attempts: backoff.attempts(), source: broken });
        };
        session.output.note(&format!("connection lost ({}), again in {:.1} s", broken.message(), delay.as_secs_f64()));
        tokio::time::sleep(delay).await;
    }
}

/// One connection's worth. Ok only after the terminal event.
async fn follow_once(
    session: &Session,
    name: &str,
    cursor: &mut Cursor,
    on_event: &mut impl FnMut(&JobEvent) -> Result<()>,
) -> Result<()> {
    let request = WatchJobRequest { name: name.to_owned(), after_sequence: cursor.sequence() };
    let mut events = session.jobs().watch_job(request).await?.into_inner();
    while let Some(event) = events.next().await {
        let event = event?;
        match cursor.take(&event) {
            Verdict::New => on_event(&event)?,
            Verdict::Last => return on_event(&event),
            Verdict::Repeat => {}
            Verdict::Gap => return Err(Status::unavailable("events are missing from the stream").into()),
        }
    }
    already_over(session, name, cursor).await
}

/// A stream that ends without a terminal event: right when the caller asked for events after the last one.
async fn already_over(session: &Session, name: &str, cursor: &Cursor) -> Result<()> {
    let request = crate::pb::v1::GetJobRequest { name: name.to_owned() };
    let job = session.jobs().get_job(request).await?.into_inner();
    if cursor::is_terminal(job.state()) && job.last_sequence <= cursor.sequence() {
        return Ok(());
    }
    Err(Status::unavailable("the stream ended before the job").into())
}

/// Whether to connect again: everything a broken connection or a restarting daemon may look like.
fn is_transient(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::Unknown | Code::Aborted | Code::Cancelled | Code::DeadlineExceeded => true,
        // A broken HTTP/2 stream arrives as Internal, with its cause; an answer of the daemon has none.
        Code::Internal => std::error::Error::source(status).is_some() || status.message().contains("h2 protocol error"),
        Code::ResourceExhausted => true,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => false,
    }
}

// clippy does not see a test behind a combined condition.
#[cfg(all(test, feature = "daemon"))]
#[allow(clippy::unwrap_used)]
mod tests;

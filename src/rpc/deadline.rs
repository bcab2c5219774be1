//! The layer that keeps a client's deadline (`grpc-timeout`), from the request to the last frame of the answer.
//!
//! What is not done by then is dropped, so that the device skips it or stops after the current step, as if the client had left. A job
//! that the call has made goes on. tonic has a timeout too: it ends a call with CANCELLED, and no longer once an answer has begun;
//! ours fires a little earlier. A header that is not what the protocol says is passed over, as tonic does.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Bytes, http};
use tower::{Layer, Service};

use super::context::RequestId;
use super::status::status;
use crate::domain::{Error, ErrorKind};

const HEADER: &str = "grpc-timeout";
const MOST_DIGITS: usize = 8;
/// By so much, and never by more than a tenth of the time, we are earlier than tonic.
const MARGIN: Duration = Duration::from_millis(5);

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Timed<S>;

    fn layer(&self, inner: S) -> Timed<S> {
        Timed { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Timed<S> {
    inner: S,
}

type Answer<E> = Result<http::Response<Body>, E>;

impl<S, E> Service<http::Request<Body>> for Timed<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = E>,
    S::Future: Send + 'static,
    E: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = E;
    type Future = Pin<Box<dyn Future<Output = Answer<E>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match Deadline::of(&request) {
            Some(deadline) => Box::pin(deadline.keep(self.inner.call(request))),
            None => Box::pin(self.inner.call(request)),
        }
    }
}

#[derive(Debug)]
struct Deadline {
    at: Instant,
    passed: Pin<Box<Sleep>>,
    id: RequestId,
}

impl Deadline {
    fn of(request: &http::Request<Body>) -> Option<Self> {
        let header = request.headers().get(HEADER)?;
        let Some(timeout) = header.to_str().ok().and_then(parse) else {
            tracing::debug!(?header, "a grpc-timeout that is none");
            return None;
        };
        // A time that no clock reaches is no deadline.
        let at = Instant::now().checked_add(timeout - MARGIN.min(timeout / 10))?;
        let id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::random);
        Some(Self { at, passed: Box::pin(sleep_until(at)), id })
    }

    async fn keep<E>(mut self, call: impl Future<Output = Answer<E>>) -> Answer<E> {
        let answered = tokio::select! {
            biased;
            () = self.passed() => None,
            answer = call => Some(answer?),
        };
        Ok(match answered {
            Some(response) => response.map(|body| Body::new(Limited { body: Some(body), deadline: self })),
            None => self.status().into_http(),
        })
    }

    /// By the clock first: a timer may be late by a tick, and tonic's must not be seen before ours.
    async fn passed(&mut self) {
        if Instant::now() < self.at {
            self.passed.as_mut().await;
        }
    }

    fn status(&self) -> Status {
        let message = "the deadline of the call has passed; give it more time, or less to do";
        status(&Error::new(ErrorKind::DeadlineExceeded, "CALL_DEADLINE_EXCEEDED", message), &self.id)
    }

    fn trailers(&self) -> Result<http::HeaderMap, Status> {
        let mut trailers = http::HeaderMap::new();
        self.status().add_header(&mut trailers).map(|()| trailers)
    }
}

/// One to eight digits and a unit, as the protocol has it.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > MOST_DIGITS || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

/// Passes frames on until the deadline; then the body is dropped and trailers say why.
#[derive(Debug)]
struct Limited {
    /// None once the answer is over.
    body: Option<Body>,
    deadline: Deadline,
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { body, deadline } = &mut *self;
        let Some(inner) = body else { return Poll::Ready(None) };
        if deadline.passed.as_mut().poll(context).is_ready() {
            *body = None;
            return Poll::Ready(Some(deadline.trailers().map(Frame::trailers)));
        }
        let polled = Pin::new(inner).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {}
            Poll::Ready(_) => *body = None,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn timeouts_are_what_the_protocol_says() {
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        assert_eq!((parse("99999999H"), parse("2M")), (hours(99_999_999), Some(Duration::from_secs(120))));
        assert_eq!((parse("0S"), parse("00000007S")), (Some(Duration::ZERO), Some(Duration::from_secs(7))));
        assert_eq!((parse("82m"), parse("3u")), (Some(Duration::from_millis(82)), Some(Duration::from_micros(3))));
        assert_eq!(parse("4n"), Some(Duration::from_nanos(4)));
        for odd in ["", "S", "1", "123456789m", "+1S", "-1S", "1.5S", " 1S", "1s", "1\u{b5}", "\u{661}S", "1SS"] {
            assert_eq!(parse(odd), None, "{odd:?}");
        }
    }

    async fn answered(timeout: &str, answer: http::Response<Body>, ready: bool) -> http::Response<Body> {
        let mut answer = Some(answer);
        let mut service = DeadlineLayer.layer(tower::service_fn(move |_: http::Request<Body>| {
            let answer = answer.take();
            async move {
                if !ready {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Status>(answer.expect("one call"))
            }
        }));
        let request = http::Request::builder().header(HEADER, timeout).body(Body::empty()).unwrap();
        service.call(request).await.unwrap()
    }

    fn streaming(frames: impl HttpBody<Data = Bytes, Error = Status> + Send + 'static) -> http::Response<Body> {
        http::Response::new(Body::new(frames))
    }

    /// Data for ever, at once or never.
    #[derive(Debug)]
    struct Endless(bool);

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            if self.0 { Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x"))))) } else { Poll::Pending }
        }
    }

    async fn last_frame(mut body: Body) -> Frame<Bytes> {
        loop {
            let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.unwrap().unwrap();
            if !frame.is_data() {
                assert!(body.is_end_stream());
                return frame;
            }
            tokio::task::yield_now().await;
        }
    }

    fn assert_exceeded(headers: &http::HeaderMap) {
        let status = Status::from_header_map(headers).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(status.get_details_error_info().unwrap().reason, "CALL_DEADLINE_EXCEEDED");
    }

    #[tokio::test]
    async fn a_call_without_an_answer_ends_at_its_deadline() {
        for timeout in ["0m", "1n", "20m"] {
            assert_exceeded(answered(timeout, streaming(Endless(false)), false).await.headers());
        }
    }

    #[tokio::test]
    async fn a_stream_ends_at_its_deadline_whether_it_is_quiet_or_busy() {
        for busy in [false, true] {
            let response = answered("30m", streaming(Endless(busy)), true).await;
            assert!(Status::from_header_map(response.headers()).is_none());
            assert_exceeded(last_frame(response.into_body()).await.trailers_ref().unwrap());
        }
    }

    #[tokio::test]
    async fn an_answer_in_time_and_a_header_that_is_none_change_nothing() {
        for timeout in ["1H", "99999999H", "soon"] {
            let response = answered(timeout, Status::not_found("as tested").into_http(), true).await;
            assert_eq!(Status::from_header_map(response.headers()).unwrap().code(), Code::NotFound);
            assert!(response.into_body().is_end_stream());
        }
    }
}

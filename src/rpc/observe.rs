//! The layer around every call: a request id, a tracing span, one log line at the end, a wall against panics, and the door that a
//! stopping daemon closes.
//!
//! A call ends with its last frame, not with its first answer (see `last_frame`), so that a stream is logged when it is over. One that is
//! dropped before its trailers belongs to a client that left.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tonic::Code;
use tonic::body::Body;
use tonic::codegen::http;
use tower::{Layer, Service};
use tracing::{Instrument, Span};

use super::context::{REQUEST_ID, RequestId};
use super::drain::{Drain, UnderWay, is_probe};
use super::last_frame::{Follower, follow};
use super::status::status;
use crate::domain::Error;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct ObserveLayer(pub(super) Drain);

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, drain: self.0.clone() }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Observe<S> {
    inner: S,
    drain: Drain,
}

type Answer<E> = Result<http::Response<Body>, E>;

impl<S, E> Service<http::Request<Body>> for Observe<S>
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

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let id = request_id(request.headers());
        let method = request.uri().path().to_owned();
        let span = tracing::info_span!("call", request_id = %id, method, principal = tracing::field::Empty);
        request.extensions_mut().insert(id.clone());
        let (under_way, refusal) = match self.drain.admit(&method) {
            Ok(under_way) => (Some(under_way), None),
            Err(error) => (None, Some(status(&error, &id).into_http())),
        };
        let record =
            CallRecord { id, method, started: Instant::now(), code: None, span: span.clone(), _under_way: under_way };
        match refusal {
            Some(refusal) => Box::pin(observed(std::future::ready(Ok(refusal)), record).instrument(span)),
            None => Box::pin(observed(self.inner.call(request), record).instrument(span)),
        }
    }
}

fn request_id(headers: &http::HeaderMap) -> RequestId {
    let told = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).and_then(RequestId::new);
    told.unwrap_or_else(RequestId::random)
}

async fn observed<E>(call: impl Future<Output = Answer<E>>, record: CallRecord) -> Answer<E> {
    let mut response = match caught(call).await {
        Ok(answer) => answer?,
        Err(panic) => panicked(&record.id, &panic),
    };
    if let Ok(id) = record.id.as_str().parse() {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    Ok(follow(response, record))
}

/// Polls `call`; a panic in it is an error instead of a dead connection.
async fn caught<T>(call: impl Future<Output = T>) -> Result<T, String> {
    let mut call = std::pin::pin!(call);
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
        Err(panic) => Poll::Ready(Err(panic_text(panic.as_ref()))),
    })
    .await
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown panic".to_owned())
}

fn panicked(id: &RequestId, panic: &str) -> http::Response<Body> {
    status(&Error::internal(format!("a handler panicked: {panic}")), id).into_http()
}

/// What is told about a call once it is over.
#[derive(Debug)]
struct CallRecord {
    id: RequestId,
    method: String,
    started: Instant,
    code: Option<Code>,
    span: Span,
    _under_way: Option<UnderWay>,
}

impl Follower for CallRecord {
    fn code(&mut self, code: Code) {
        self.code = Some(code);
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        let _entered = self.span.enter();
        let latency_ms = self.started.elapsed().as_secs_f64() * 1e3;
        let code = self.code.unwrap_or(Code::Cancelled);
        if is_probe(&self.method) {
            tracing::debug!(?code, latency_ms, "call ended");
        } else {
            tracing::info!(?code, latency_ms, "call ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_internal_error_with_the_request_id() {
        let mut service = ObserveLayer(Drain::default()).layer(tower::service_fn(|_: http::Request<Body>| async {
            if true {
                panic!("as tested");
            }
            Ok::<_, Status>(http::Response::new(Body::empty()))
        }));
        let request = http::Request::builder().header(REQUEST_ID, "r-7").body(Body::empty()).unwrap();
        let response = service.call(request).await.unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(status.message(), "internal error; see the daemon's log with request id r-7");
        assert_eq!(response.headers()[REQUEST_ID], "r-7");
    }
}

//! Follows an answer to its last frame: a stream's code stands in its trailers, long after its first message.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;
use tonic::codegen::{Bytes, http};
use tonic::{Code, Status};

/// Whoever wants to know how a call ended; dropped with the answer, which is without a code where the client left.
pub(super) trait Follower: Send + Unpin + 'static {
    fn code(&mut self, code: Code);
}

/// The same answer, which takes the follower along.
pub(super) fn follow(response: http::Response<Body>, mut follower: impl Follower) -> http::Response<Body> {
    read_code(response.headers(), &mut follower);
    response.map(|inner| Body::new(Followed { inner, follower }))
}

fn read_code(headers: &http::HeaderMap, follower: &mut impl Follower) {
    if let Some(status) = Status::from_header_map(headers) {
        follower.code(status.code());
    }
}

/// Passes frames on and looks for the code in the trailers.
#[derive(Debug)]
struct Followed<F> {
    inner: Body,
    follower: F,
}

impl<F: Follower> HttpBody for Followed<F> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(trailers) = frame.trailers_ref()
        {
            read_code(trailers, &mut self.follower);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

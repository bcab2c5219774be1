//! What every call has in common: its request id, and the frame convert, call, convert.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status};
use uuid::Uuid;

use super::access::{AuditNote, made, named};
use super::status::status;
use super::transport::Peer;
use crate::domain::Result;
use crate::domain::access::Principal;

/// Metadata key in which a client may name its call, and in which every answer does.
pub(super) const REQUEST_ID: &str = "x-request-id";
const MAX_BYTES: usize = 128;

/// Names one call in the log and in the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestId(Arc<str>);

impl RequestId {
    /// A client's own id, if it is short and printable.
    pub(super) fn new(id: &str) -> Option<Self> {
        is_short(id).then(|| Self(id.into()))
    }

    pub(super) fn random() -> Self {
        Self(Uuid::new_v4().to_string().into())
    }

    /// The id that the layer gave the call.
    fn of(extensions: &Extensions, metadata: &MetadataMap) -> Self {
        let told = || metadata.get(REQUEST_ID).and_then(|id| id.to_str().ok()).and_then(Self::new);
        extensions.get::<Self>().cloned().or_else(told).unwrap_or_else(Self::random)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Short and printable.
fn is_short(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_BYTES && id.bytes().all(|byte| byte.is_ascii_graphic())
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Answers one call: `act` gets the message, and its error becomes a status with details.
pub(super) async fn answer<M: Any, R: Any, F>(
    request: Request<M>,
    act: impl FnOnce(M) -> F,
) -> std::result::Result<Response<R>, Status>
where
    F: Future<Output = Result<R>>,
{
    let (metadata, extensions, message) = request.into_parts();
    let id = RequestId::of(&extensions, &metadata);
    let note = extensions.get::<AuditNote>().cloned().unwrap_or_default();
    note.about(named(&message));
    match act(message).await {
        Ok(reply) => {
            note.made(made(&reply));
            Ok(Response::new(reply))
        }
        Err(error) => Err(status(&error, &id)),
    }
}

/// Metadata key in which a client may name itself.
const CLIENT_ID: &str = "x-client-id";

/// Who asks, as far as turns are taken by: the principal that was granted something, else the name that the caller gives itself, else
/// its address. A name is believed; it decides on no right.
pub(super) fn client_of<M>(request: &Request<M>) -> String {
    if let Some(principal) = request.extensions().get::<Principal>().filter(|principal| !principal.is_anonymous()) {
        return principal.to_string();
    }
    let told = request.metadata().get(CLIENT_ID).and_then(|id| id.to_str().ok()).filter(|id| is_short(id));
    match (told, request.extensions().get::<Peer>()) {
        (Some(told), _) => told.to_owned(),
        (None, Some(peer)) => peer.address.ip().to_canonical().to_string(),
        (None, None) => "anonymous".to_owned(),
    }
}

/// The id of a call whose stream has errors of its own to tell.
pub(super) fn request_id_of<M>(request: &Request<M>) -> RequestId {
    RequestId::of(request.extensions(), request.metadata())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::Scopes;

    #[test]
    fn ids_that_would_spoil_a_log_are_replaced() {
        for id in ["", "a b", "line\nbreak", "\u{e4}", &"x".repeat(129)] {
            assert_eq!(RequestId::new(id), None, "{id:?}");
        }
        assert_eq!(RequestId::new("trace-17").unwrap().as_str(), "trace-17");
    }

    #[test]
    fn a_client_is_known_by_its_grant_else_by_its_name_else_by_its_address() {
        let mut request = Request::new(());
        assert_eq!(client_of(&request), "anonymous");
        let peer = Peer { address: "[::ffff:192.0.2.7]:9".parse().unwrap(), certificate: None };
        request.extensions_mut().insert(peer);
        assert_eq!(client_of(&request), "192.0.2.7");
        request.metadata_mut().insert(CLIENT_ID, "two words".parse().unwrap());
        assert_eq!(client_of(&request), "192.0.2.7");
        request.metadata_mut().insert(CLIENT_ID, "argo".parse().unwrap());
        assert_eq!(client_of(&request), "argo");
        request.extensions_mut().insert(Principal::token("night-runs", Scopes::all()));
        assert_eq!(client_of(&request), "tokens/night-runs", "nobody takes another's turn");
    }
}

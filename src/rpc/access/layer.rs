//! The layer that judges every call, below `observe` (so that refusals are logged with their request id) and above all services.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::Utc;
use tonic::body::Body;
use tonic::codegen::http::{self, header::AUTHORIZATION};
use tower::{Layer, Service};

use super::audit::{AuditLog, AuditNote, Entry};
use super::policy::{Authorization, Identity, Policy, Presented, Refusal};
use super::rate::{Caller, Rate};
use super::scopes::scope_of;
use crate::domain::access::{Principal, Scope, Scopes};
use crate::domain::{Error, ErrorKind};
use crate::rpc::context::RequestId;
use crate::rpc::last_frame::follow;
use crate::rpc::status::{Facts, status_with};
use crate::rpc::transport::Peer;

/// See the module.
#[derive(Debug, Clone)]
pub(in crate::rpc) struct AccessLayer {
    pub(in crate::rpc) policy: Arc<ArcSwap<Policy>>,
    pub(in crate::rpc) rate: Rate,
    pub(in crate::rpc) audit: AuditLog,
}

impl<S> Layer<S> for AccessLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, access: self.clone() }
    }
}

impl AccessLayer {
    /// The caller of a request and the verdict on the call. A caller whose credentials are wrong counts as anonymous.
    fn judge(&self, request: &http::Request<Body>, peer: Option<&Peer>) -> (Principal, Result<(), Denied>) {
        let policy = self.policy.load();
        let authorization = Authorization::read(request.headers().get(AUTHORIZATION).map(http::HeaderValue::as_bytes));
        let certificate = peer.and_then(|peer| peer.certificate.as_deref());
        let identity = policy.identify(&Presented { authorization, certificate }, Utc::now());
        let caller = caller(identity.as_ref().ok(), peer);
        let verdict = match self.rate.check(&caller) {
            Err(wait) => Err(Denied::TooFast(wait)),
            Ok(()) => identity
                .as_ref()
                .map_err(|error| error.echo().into())
                .and_then(|identity| policy.check(identity, request.uri().path()))
                .map_err(Denied::Refused),
        };
        let principal = identity.map(|identity| identity.principal().clone());
        (principal.unwrap_or_else(|_| Principal::anonymous(Scopes::default())), verdict)
    }

    /// What the audit log will say, if the call belongs there.
    fn audited(&self, request: &http::Request<Body>, peer: Option<SocketAddr>, caller: &Principal) -> Option<Entry> {
        let method = request.uri().path();
        if !scope_of(method).is_some_and(Scope::is_mutating) {
            return None;
        }
        let id = request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default();
        Some(self.audit.entry(caller, peer, method, id))
    }
}

/// Strangers, and those whose credentials are wrong, are told apart by where they are.
fn caller(identity: Option<&Identity>, peer: Option<&Peer>) -> Caller {
    match identity {
        Some(Identity::Granted(principal)) if !principal.is_anonymous() => Caller::Named(principal.name.clone()),
        Some(Identity::Granted(_) | Identity::Unknown(_)) | None => Caller::At(peer.map(|peer| peer.address.ip())),
    }
}

/// Why a call goes no further.
#[derive(Debug)]
enum Denied {
    Refused(Refusal),
    TooFast(Duration),
}

impl Denied {
    fn response(self, id: &RequestId) -> http::Response<Body> {
        let (error, facts) = match self {
            Self::Refused(Refusal { error, values }) => (error, Facts { values, retry_after: None }),
            Self::TooFast(wait) => (Box::new(too_fast(wait)), Facts { values: Vec::new(), retry_after: Some(wait) }),
        };
        status_with(&error, id, &facts).into_http()
    }
}

fn too_fast(wait: Duration) -> Error {
    let message =
        format!("too many calls a second (limits.calls_per_second); the next may come in {:.3} s", wait.as_secs_f64());
    Error::new(ErrorKind::ResourceExhausted, "RATE_LIMITED", message)
}

#[derive(Debug, Clone)]
pub(in crate::rpc) struct Guarded<S> {
    inner: S,
    access: AccessLayer,
}

type Answer<E> = Result<http::Response<Body>, E>;

impl<S, E> Service<http::Request<Body>> for Guarded<S>
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
        let peer = request.extensions().get::<Peer>().cloned();
        let (principal, verdict) = self.access.judge(&request, peer.as_ref());
        let counted = !matches!(verdict, Err(Denied::TooFast(_)));
        let entry = counted.then(|| self.access.audited(&request, peer.map(|peer| peer.address), &principal)).flatten();
        // The credentials have done their work; nothing below can log them.
        request.headers_mut().remove(AUTHORIZATION);
        let id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::random);
        let name = principal.name.clone();
        let answered = verdict.map(|()| {
            request.extensions_mut().insert(principal);
            if let Some(entry) = &entry {
                request.extensions_mut().insert::<AuditNote>(entry.note());
            }
            self.inner.call(request)
        });
        Box::pin(async move {
            tracing::Span::current().record("principal", &*name);
            let response = match answered {
                Ok(call) => call.await?,
                Err(denied) => denied.response(&id),
            };
            Ok(match entry {
                Some(entry) => follow(response, entry),
                None => response,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};
    use tonic_types::StatusExt;

    use super::*;
    use crate::config::Access;

    const DELETE: &str = "/unlearnd.v1.ModelService/DeleteModel";

    async fn answered(access: Access, calls_per_second: u32, header: &str) -> Status {
        let policy = Policy::new(&access, access.tokens_file.is_some().then_some("")).unwrap();
        let layer = AccessLayer {
            policy: Arc::new(ArcSwap::from_pointee(policy)),
            rate: Rate::new(calls_per_second),
            audit: AuditLog::open(None).unwrap(),
        };
        let mut service = layer.layer(tower::service_fn(|request: http::Request<Body>| async move {
            assert!(request.headers().get(AUTHORIZATION).is_none(), "the token goes no further");
            let principal = request.extensions().get::<Principal>().expect("every call has one");
            Ok::<_, Status>(Status::ok(principal.to_string()).into_http())
        }));
        let mut last = None;
        for _ in 0..=calls_per_second {
            let request = http::Request::builder().uri(DELETE).header(AUTHORIZATION, header).body(Body::empty());
            last = Some(service.call(request.unwrap()).await.unwrap());
        }
        Status::from_header_map(last.unwrap().headers()).unwrap()
    }

    #[tokio::test]
    async fn services_know_the_principal_and_never_the_token() {
        let status = answered(Access::default(), 0, "Bearer unl_x").await;
        assert_eq!((status.code(), status.message()), (Code::Ok, "anonymous"));
    }

    #[tokio::test]
    async fn a_refused_call_does_not_reach_the_service() {
        let access = Access { tokens_file: Some("t".into()), ..Access::default() };
        let status = answered(access, 0, "Bearer unl_x").await;
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!(status.get_details_error_info().unwrap().reason, "INVALID_TOKEN");
    }

    #[tokio::test]
    async fn a_caller_that_is_too_fast_hears_how_long_to_wait() {
        let status = answered(Access::default(), 4, "Bearer unl_x").await;
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.get_details_error_info().unwrap().reason, "RATE_LIMITED");
        let wait = status.get_details_retry_info().unwrap().retry_delay.unwrap();
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(250), "{wait:?}");
    }
}

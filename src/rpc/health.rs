//! `grpc.health.v1`: what the engine says about itself, for the whole daemon (`""`) and for each service by name.

use std::time::Duration;

use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::drain::Drain;
use super::server::SERVICE_NAMES;
use crate::engine::Engine;

/// How soon a change of the engine's readiness is told.
const PERIOD: Duration = Duration::from_millis(100);
/// How long watchers have to hear NOT_SERVING before their streams end.
const LAST_WORD: Duration = Duration::from_millis(50);

/// Follows the engine until the daemon drains; then says NOT_SERVING and ends every Health/Watch, which would otherwise hold the server.
pub(super) async fn follow(mut reporter: HealthReporter, engine: Engine, drain: Drain) {
    let mut told = None;
    loop {
        let ready = engine.is_ready();
        if told != Some(ready) {
            tell(&reporter, if ready { ServingStatus::Serving } else { ServingStatus::NotServing }).await;
            told = Some(ready);
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = drain.begun() => break,
        }
    }
    tell(&reporter, ServingStatus::NotServing).await;
    tokio::time::sleep(LAST_WORD).await;
    for service in names() {
        reporter.clear_service_status(service).await;
    }
}

pub(super) async fn tell(reporter: &HealthReporter, status: ServingStatus) {
    for service in names() {
        reporter.set_service_status(service, status).await;
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once("").chain(SERVICE_NAMES)
}

/// The full name of a service.
pub(super) const fn name<S: NamedService>() -> &'static str {
    S::NAME
}

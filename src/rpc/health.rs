//! `grpc.health.v1`: what the engine says about itself, for the whole daemon (`""` and `readiness`) and for each service by name.
//! `liveness` is SERVING as long as the process answers, while it drains too: what stops in good order must not be killed.

use std::time::Duration;

use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::drain::Drain;
use super::server::SERVICE_NAMES;
use crate::engine::Engine;

/// How soon a change of the engine's readiness is told.
const PERIOD: Duration = Duration::from_millis(100);
/// SERVING for as long as there is a process.
const LIVENESS: &str = "liveness";
/// As `""`, by the name that probes of Kubernetes use.
const READINESS: &str = "readiness";

/// Follows the engine until the daemon drains; then says NOT_SERVING.
pub(super) async fn follow(reporter: HealthReporter, engine: Engine, drain: Drain) {
    reporter.set_service_status(LIVENESS, ServingStatus::Serving).await;
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
}

async fn tell(reporter: &HealthReporter, status: ServingStatus) {
    for service in names() {
        reporter.set_service_status(service, status).await;
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    ["", READINESS].into_iter().chain(SERVICE_NAMES)
}

/// The full name of a service.
pub(super) const fn name<S: NamedService>() -> &'static str {
    S::NAME
}

//! grpc.health.v1 follows the engine, for the daemon and for each service by name.

use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::support::{Daemon, until};

const SERVICES: [&str; 8] = [
    "",
    "unlearnd.v1.ModelService",
    "unlearnd.v1.DatasetService",
    "unlearnd.v1.UnlearningService",
    "unlearnd.v1.EvaluationService",
    "unlearnd.v1.JobService",
    "unlearnd.v1.SystemService",
    "google.longrunning.Operations",
];

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test]
async fn every_service_says_that_it_serves() {
    let daemon = Daemon::start().await;
    for service in SERVICES {
        until(&format!("health of `{service}`"), async || {
            let answer = daemon.health().check(about(service)).await.unwrap().into_inner();
            (answer.status() == ServingStatus::Serving).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn unknown_services_are_not_found() {
    let daemon = Daemon::start().await;
    assert_eq!(daemon.health().check(about("nobody")).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_watcher_hears_the_drain_and_does_not_hold_it_up() {
    let mut daemon = Daemon::start().await;
    let mut heard = daemon.health().watch(about("")).await.unwrap().into_inner();
    heard.next().await.unwrap().unwrap();
    let ended = daemon.stop().await;
    let mut last = None;
    while let Some(Ok(answer)) = heard.next().await {
        last = Some(answer.status());
    }
    assert!(last.is_none_or(|status| status == ServingStatus::NotServing), "{last:?}");
    assert_eq!(ended.code(), Some(0));
}

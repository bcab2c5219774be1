//! `grpcurl list` just works, with either version of the reflection service.

use tokio_stream::StreamExt;
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::Daemon;

const EXPECTED: [&str; 8] = [
    "google.longrunning.Operations",
    "grpc.health.v1.Health",
    "unlearnd.v1.DatasetService",
    "unlearnd.v1.EvaluationService",
    "unlearnd.v1.JobService",
    "unlearnd.v1.ModelService",
    "unlearnd.v1.SystemService",
    "unlearnd.v1.UnlearningService",
];

#[tokio::test]
async fn version_1_lists_every_service() {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let daemon = Daemon::start().await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(daemon.channel());
    let question = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client.server_reflection_info(tokio_stream::iter([question])).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else { panic!("{answer:?}") };
    assert_lists_all(list.service.into_iter().map(|service| service.name).collect());
}

#[tokio::test]
async fn version_1alpha_lists_every_service() {
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;
    let daemon = Daemon::start().await;
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(daemon.channel());
    let question = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client.server_reflection_info(tokio_stream::iter([question])).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else { panic!("{answer:?}") };
    assert_lists_all(list.service.into_iter().map(|service| service.name).collect());
}

fn assert_lists_all(found: Vec<String>) {
    for service in EXPECTED {
        assert!(found.iter().any(|name| name == service), "{service} is missing in {found:?}");
    }
}

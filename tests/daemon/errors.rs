//! Errors that a machine can act on: codes, reasons, fields, request ids.

use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use unlearnd::pb::google::longrunning::{ListOperationsRequest, WaitOperationRequest};
use unlearnd::pb::v1 as pb;

use crate::support::Daemon;

fn violated(status: &Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(status.get_details_error_info().unwrap().domain, "unlearnd");
    status.get_details_bad_request().unwrap().field_violations[0].field.clone()
}

fn deer() -> pb::PoisonSpec {
    pb::PoisonSpec {
        model: "models/nobody".into(),
        train: Some(pb::DataSource { dataset: "datasets/nothing".into(), split: String::new() }),
        forget: Some(pb::Selector { classes: vec!["deer".into()], ..Default::default() }),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_bad_request_names_its_field() {
    let daemon = Daemon::start().await;
    let refused = daemon.models().get_model(pb::GetModelRequest::default()).await.unwrap_err();
    assert_eq!(violated(&refused), "name");
    assert_eq!(refused.get_details_error_info().unwrap().reason, "MISSING_FIELD");

    let trainer = Some(pb::TrainerSpec { epochs: Some(0), ..Default::default() });
    let request = pb::FineTunePoisonedRequest { poison: Some(deer()), trainer, ..Default::default() };
    let refused = daemon.unlearning().fine_tune_poisoned(request).await.unwrap_err();
    assert_eq!(violated(&refused), "trainer.epochs");
    assert!(refused.message().contains("from 1 to 10000"), "{}", refused.message());

    let forget = Some(pb::Selector { classes: vec![String::new()], ..Default::default() });
    let poison = Some(pb::PoisonSpec { forget, ..deer() });
    let refused = daemon.unlearning().plan_poisoning(pb::PlanPoisoningRequest { poison, ..Default::default() }).await;
    assert_eq!(violated(&refused.unwrap_err()), "poison.forget.classes[0]");

    let refused = daemon.jobs().list_jobs(pb::ListJobsRequest { states: vec![99], ..Default::default() }).await;
    assert_eq!(violated(&refused.unwrap_err()), "states[0]");

    let filter = ListOperationsRequest { filter: "done=true".into(), ..Default::default() };
    assert_eq!(violated(&daemon.operations().list_operations(filter).await.unwrap_err()), "filter");

    let timeout = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let wait = WaitOperationRequest { name: "jobs/j".into(), timeout };
    assert_eq!(violated(&daemon.operations().wait_operation(wait).await.unwrap_err()), "timeout");
}

#[tokio::test]
async fn a_missing_resource_is_named() {
    let daemon = Daemon::start().await;
    let missing = daemon.models().get_model(pb::GetModelRequest { name: "models/nobody".into() }).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound, "{missing:?}");
    assert_eq!(missing.get_details_resource_info().unwrap().resource_name, "models/nobody");
    let watched = pb::WatchJobRequest { name: "jobs/nobody".into(), after_sequence: 0 };
    assert_eq!(daemon.jobs().watch_job(watched).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_hostile_name_is_refused_without_a_path() {
    let daemon = Daemon::start().await;
    let name = "models/../../etc/passwd".to_owned();
    let refused = daemon.models().get_model(pb::GetModelRequest { name }).await.unwrap_err();
    assert_eq!(violated(&refused), "name");
    assert!(!refused.message().contains(daemon.folder().to_str().unwrap()));
}

#[tokio::test]
async fn an_upload_begins_with_its_header() {
    use pb::upload_dataset_request::Part;
    let daemon = Daemon::start().await;
    let chunk = pb::UploadDatasetRequest { part: Some(Part::Chunk(vec![0; 16])) };
    let refused = daemon.datasets().upload_dataset(tokio_stream::iter([chunk])).await.unwrap_err();
    assert_eq!(violated(&refused), "header");
}

#[tokio::test]
async fn every_answer_carries_the_request_id() {
    let daemon = Daemon::start().await;
    let mut named = Request::new(pb::ListModelsRequest { page_size: -1, ..Default::default() });
    named.metadata_mut().insert("x-request-id", "from-the-test-1".parse().unwrap());
    let refused = daemon.models().list_models(named).await.unwrap_err();
    assert_eq!(refused.metadata().get("x-request-id").unwrap(), "from-the-test-1");
    assert!(daemon.log().contains("from-the-test-1"));

    let nameless = daemon.models().list_models(pb::ListModelsRequest { page_size: -1, ..Default::default() }).await;
    let id = nameless.unwrap_err().metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    assert_eq!(id.len(), 36, "{id} is no UUID");
}

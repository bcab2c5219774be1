//! Starting, stopping, taking up again.

use super::*;
use crate::domain::dataset::{DataSource, Selector};
use crate::domain::evaluation::EvaluationSpec;
use crate::domain::finetune::Precision;
use crate::domain::job::{EventBody, JobSpec, JobState};
use crate::storage::store::{Guard, Store};

fn evaluation() -> JobSpec {
    JobSpec::Evaluate(EvaluationSpec {
        model: "m".parse().unwrap(),
        train: None,
        test: DataSource { dataset: "d".parse().unwrap(), split: String::new() },
        forget: Selector::default(),
        reference: None,
        precision: Precision::F32,
        seed: 0,
    })
}

#[tokio::test]
async fn a_data_directory_belongs_to_one_engine_until_it_has_shut_down() {
    let folder = tempfile::tempdir().unwrap();
    let first = engine(folder.path()).await;
    assert!(first.is_ready());
    let refused = Engine::start(options(folder.path())).await.unwrap_err();
    assert_eq!(refused.reason, "DATA_DIRECTORY_IN_USE");
    first.shutdown().await;
    assert!(!first.is_ready());
    let second = engine(folder.path()).await;
    second.shutdown().await;
    assert_eq!(second.submit(evaluation(), None).await.unwrap_err().reason, "NOT_READY");
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path()).await;
    let error = engine.submit(evaluation(), Some("r".into())).await.unwrap_err();
    assert_eq!(error.resource, Some(("model".into(), "models/m".into())));
    assert_eq!(engine.get_job(&"j".parse().unwrap()).await.unwrap_err().reason, "RESOURCE_NOT_FOUND");
    assert_eq!(engine.list_models(&PageRequest::default()).await.unwrap().items, []);
    assert_eq!(engine.server_info().await.unwrap().queued_jobs, 0);
    assert_eq!(engine.devices().await.unwrap()[0].name, "cpu");
    engine.shutdown().await;
}

#[tokio::test]
async fn unfinished_jobs_are_found_again_and_a_cancelled_one_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).await.unwrap();
    let id = "j".parse().unwrap();
    store.insert_job(id, evaluation(), None).await.unwrap();
    let id = "j".parse().unwrap();
    let running = |state| vec![EventBody::State { state, attempt: 1, error: None }];
    store.append_events(&id, Guard::Attempt(1), running(JobState::Running)).await.unwrap();
    store.append_events(&id, Guard::Attempt(1), running(JobState::Cancelling)).await.unwrap();
    store.close().await;
    let engine = engine(folder.path()).await;
    let job = engine.wait_job(&id, Duration::from_secs(5)).await.unwrap();
    assert_eq!((job.state, job.error.unwrap().code), (JobState::Cancelled, 1));
    engine.delete_job(&id).await.unwrap();
    engine.shutdown().await;
}

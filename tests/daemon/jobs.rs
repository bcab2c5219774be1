//! Jobs: watching without gap or repeat, cancelling within a step, one training job a model, failures that harm nothing.

use std::time::{Duration, Instant};

use tonic::Code;
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::job::State;
use unlearnd::pb::v1::job_event::Body;

use crate::support::refusals::refused;
use crate::support::shapes::{Shapes, poison, source, training};

async fn watched(shapes: &Shapes, name: &str, after_sequence: i64, limit: usize) -> Vec<pb::JobEvent> {
    let request = pb::WatchJobRequest { name: name.into(), after_sequence };
    let mut stream = shapes.daemon.jobs().watch_job(request).await.unwrap().into_inner();
    let mut events = Vec::new();
    while let Some(event) = stream.message().await.unwrap() {
        if event.sequence > 0 {
            events.push(event);
        }
        if events.len() == limit {
            break;
        }
    }
    events
}

fn sequences(events: &[pb::JobEvent]) -> Vec<i64> {
    events.iter().map(|event| event.sequence).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_comes_back_sees_every_later_event_once() {
    let shapes = Shapes::start().await;
    let mut request = training(4, 0.05);
    request.trainer.as_mut().unwrap().checkpoint_every_steps = 20;
    let name = shapes.fine_tune(request).await.unwrap();
    let first = watched(&shapes, &name, 0, 3).await;
    let rest = watched(&shapes, &name, 3, usize::MAX).await;
    let whole = watched(&shapes, &name, 0, usize::MAX).await;
    assert_eq!(first.iter().chain(&rest).cloned().collect::<Vec<_>>(), whole, "two watchers see the same events");
    assert_eq!(sequences(&whole), (1..=whole.len() as i64).collect::<Vec<_>>());
    let Some(Body::State(last)) = whole.last().and_then(|event| event.body.clone()) else { panic!("{whole:?}") };
    assert_eq!(last.state(), State::Succeeded);
    assert!(whole.iter().any(|event| matches!(event.body, Some(Body::Result(_)))), "a result");
    assert!(whole.iter().any(|event| matches!(event.body, Some(Body::Metric(_)))), "metrics");
    assert!(whole.iter().any(|event| matches!(event.body, Some(Body::Checkpoint(_)))), "checkpoints");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_takes_effect_within_a_step_and_leaves_the_parent() {
    let shapes = Shapes::start().await;
    let name = shapes.fine_tune(training(10_000, 1e-4)).await.unwrap();
    shapes.reaches(&name, &[State::Running]).await;
    let asked = Instant::now();
    shapes.cancel(&name).await;
    let job = shapes.finished(&name).await;
    println!("cancelled after {:?}", asked.elapsed());
    assert_eq!(job.state(), State::Cancelled);
    assert_eq!(job.error.unwrap().code, Code::Cancelled as i32);
    let versions = pb::ListModelVersionsRequest { parent: "models/shapes".into(), ..Default::default() };
    let versions = shapes.daemon.models().list_model_versions(versions).await.unwrap().into_inner().model_versions;
    assert_eq!(versions.len(), 1, "no version came of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_training_job_on_a_model_is_refused_while_the_first_runs() {
    let shapes = Shapes::start().await;
    let name = shapes.fine_tune(training(10_000, 1e-4)).await.unwrap();
    let second = shapes.fine_tune(training(1, 1e-4)).await.unwrap_err();
    refused(&second, Code::FailedPrecondition, "MODEL_BUSY", "poison.model", "wait for it or cancel it");
    assert!(second.message().contains(&name), "names the job: {}", second.message());
    shapes.cancel(&name).await;
    shapes.finished(&name).await;
    let again = shapes.fine_tune(training(1, 1e-4)).await.unwrap();
    assert_eq!(shapes.finished(&again).await.state(), State::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_that_is_not_finite_fails_the_job_and_leaves_the_parent() {
    let shapes = Shapes::start().await;
    let mut request = training(50, 10.0);
    let sgd = pb::optimizer::Sgd { momentum: Some(0.99), nesterov: false };
    let trainer = request.trainer.as_mut().unwrap();
    trainer.optimizer = Some(pb::Optimizer { kind: Some(pb::optimizer::Kind::Sgd(sgd)) });
    trainer.weight_decay = 0.9;
    request.promote = true;
    let name = shapes.fine_tune(request).await.unwrap();
    let job = shapes.finished(&name).await;
    assert_eq!(job.state(), State::Failed, "{job:?}");
    let error = job.error.unwrap();
    assert_eq!(error.code, Code::Aborted as i32);
    assert!(error.message.contains("at step") && error.message.contains("learning_rate"), "{}", error.message);
    let model = pb::GetModelRequest { name: "models/shapes".into() };
    let model = shapes.daemon.models().get_model(model).await.unwrap().into_inner();
    assert_eq!((model.served_version.as_str(), model.version_count), ("models/shapes/versions/1", 1));
    assert_eq!(shapes.finished(&shapes.fine_tune(training(1, 0.01)).await.unwrap()).await.state(), State::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_id_answers_the_same_job() {
    let shapes = Shapes::start().await;
    let request_id = "0f0e2f3c-3f43-4b84-9b5b-0f35b8f1c001".to_owned();
    let request = pb::FineTunePoisonedRequest { request_id, ..training(1, 0.01) };
    let first = shapes.fine_tune(request.clone()).await.unwrap();
    assert_eq!(shapes.fine_tune(request.clone()).await.unwrap(), first);
    let other = pb::FineTunePoisonedRequest { trainer: training(2, 0.01).trainer, ..request };
    let refused = shapes.fine_tune(other).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists, "{refused:?}");
    assert_eq!(shapes.finished(&first).await.state(), State::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn unlearning_forgets_the_class_and_keeps_the_others() {
    let shapes = Shapes::start().await;
    let trained = shapes.fine_tune(pb::FineTunePoisonedRequest { promote: true, ..training(6, 0.05) }).await.unwrap();
    assert_eq!(shapes.finished(&trained).await.state(), State::Succeeded);
    let trainer =
        pb::TrainerSpec { epochs: Some(60), learning_rate: Some(0.05), batch_size: Some(16), ..Default::default() };
    let request = pb::UnlearnRequest {
        poison: Some(poison()),
        trainer: Some(trainer),
        test: source("shapes-test"),
        ..Default::default()
    };
    let started = Instant::now();
    let operation = shapes.unlearn(request).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(20), "an operation answers at once");
    let job = shapes.finished(&operation.name).await;
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
    let Some(pb::job_result::Result::Unlearn(result)) = job.result.and_then(|result| result.result) else { panic!() };
    let (before, after) = (result.before.unwrap().test.unwrap(), result.after.unwrap().test.unwrap());
    let value = |accuracy: Option<pb::Accuracy>| accuracy.unwrap().value;
    assert!(value(before.forget) > 0.9 && value(after.forget) < 0.05, "{after:?}");
    assert!(value(after.retain) > value(before.retain) - 0.05);
    assert_eq!(result.version, "models/shapes/versions/3");
    assert!(["bar", "square"].contains(&result.donor.as_str()), "{}", result.donor);
    assert_eq!(result.donor_rule, pb::DonorRule::ConceptConfusion as i32);
}

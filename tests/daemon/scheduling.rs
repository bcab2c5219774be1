//! Who goes first: priorities, clients in turn, a bound for each client, and an end to jobs that run too long.

use std::time::Duration;

use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::Priority;
use unlearnd::pb::v1::attribute_request::Input;
use unlearnd::pb::v1::attribute_request::input::{Image, Sample};
use unlearnd::pb::v1::job::State;

use crate::support::shapes::{Shapes, source, training};
use crate::support::until;

/// An evaluation, asked for by `client`.
async fn evaluate(shapes: &Shapes, client: &str, priority: Priority) -> Result<String, Status> {
    let message = pb::EvaluateModelRequest {
        model: "models/shapes".into(),
        test: source("shapes-test"),
        priority: priority.into(),
        ..Default::default()
    };
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-client-id", client.parse().unwrap());
    Ok(shapes.daemon.evaluations().evaluate_model(request).await?.into_inner().name)
}

/// A job that keeps the device busy until it is cancelled.
async fn hold(shapes: &Shapes) -> String {
    let name = shapes.fine_tune(training(10_000, 1e-4)).await.unwrap();
    shapes.reaches(&name, &[State::Running]).await;
    name
}

fn start_of(job: &pb::Job) -> (i64, i32) {
    let time = job.start_time.unwrap();
    (time.seconds, time.nanos)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_clients_take_turns_within_a_priority() {
    let shapes = Shapes::start().await;
    let holder = hold(&shapes).await;
    let mut jobs = Vec::new();
    // In the order of submission, each with the place it has in the end.
    for (client, priority, place) in [
        ("ann", Priority::Normal, 2),
        ("ann", Priority::Normal, 5),
        ("ann", Priority::Unspecified, 7),
        ("bob", Priority::Low, 8),
        ("bob", Priority::Normal, 3),
        ("bob", Priority::Normal, 6),
        ("eve", Priority::Normal, 4),
        ("eve", Priority::High, 1),
    ] {
        jobs.push((evaluate(&shapes, client, priority).await.unwrap(), client, place));
    }
    let first = shapes.job(&jobs[0].0).await;
    assert_eq!((first.priority(), first.client.as_str(), first.timeout), (Priority::Normal, "ann", None));
    assert_eq!(shapes.job(&holder).await.client, "127.0.0.1", "who gives no name is known by the address");
    let listed = shapes.daemon.jobs().list_jobs(pb::ListJobsRequest::default()).await.unwrap().into_inner().jobs;
    for (name, client, place) in &jobs {
        let job = listed.iter().find(|job| job.name == *name).unwrap();
        assert_eq!((job.state(), job.queue_position), (State::Queued, *place), "{name} of {client}");
    }
    shapes.cancel(&holder).await;
    let mut started = Vec::new();
    for (name, _, place) in &jobs {
        let job = shapes.finished(name).await;
        assert_eq!((job.state(), job.queue_position), (State::Succeeded, 0), "{:?}", job.error);
        started.push((start_of(&job), *place));
    }
    started.sort_unstable();
    assert_eq!(started.iter().map(|(_, place)| *place).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_wait_are_served_while_a_job_trains_and_do_not_stop_it() {
    let shapes = Shapes::start().await;
    let holder = hold(&shapes).await;
    let sample = Sample { source: source("shapes-test"), index: 3 };
    let input = Input { image: Some(Image::Sample(sample)), target_class: String::new() };
    let asked = pb::AttributeRequest { model: "models/shapes".into(), inputs: vec![input], ..Default::default() };
    let step = async || shapes.job(&holder).await.progress.unwrap_or_default().step;
    let before = step().await;
    let mut served = 0;
    until("the job to go on beside the calls", async || {
        assert_eq!(shapes.attributed(asked.clone()).await.unwrap().len(), 1);
        served += 1;
        (served >= 20 && step().await > before).then_some(())
    })
    .await;
    assert_eq!(shapes.job(&holder).await.state(), State::Running);
    shapes.cancel(&holder).await;
    assert_eq!(shapes.finished(&holder).await.state(), State::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_its_share_of_jobs_is_refused_and_others_are_not() {
    let shapes = Shapes::start_with("[limits]\nqueued_jobs_per_client = 2\n").await;
    let holder = hold(&shapes).await;
    for _ in 0..2 {
        evaluate(&shapes, "ann", Priority::Normal).await.unwrap();
    }
    let refused = evaluate(&shapes, "ann", Priority::High).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "CLIENT_QUEUE_FULL");
    assert_eq!(refused.get_details_quota_failure().unwrap().violations[0].subject, "ann");
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    let other = evaluate(&shapes, "bob", Priority::Normal).await.unwrap();
    shapes.cancel(&holder).await;
    assert_eq!(shapes.finished(&other).await.state(), State::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_beyond_its_timeout_fails_and_the_next_one_runs() {
    let shapes = Shapes::start().await;
    let timeout = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let name = shapes.fine_tune(pb::FineTunePoisonedRequest { timeout, ..training(10_000, 1e-4) }).await.unwrap();
    let job = shapes.finished(&name).await;
    let error = job.error.clone().unwrap();
    assert_eq!((job.state(), error.code, job.timeout), (State::Failed, Code::DeadlineExceeded as i32, timeout));
    assert!(error.message.contains("timeout"), "{}", error.message);
    let ran = Duration::try_from(prost_types::Duration {
        seconds: job.end_time.unwrap().seconds - job.start_time.unwrap().seconds,
        nanos: 0,
    });
    assert!((1..10).contains(&ran.unwrap().as_secs()), "within a step");
    let next = shapes.fine_tune(training(1, 1e-4)).await.unwrap();
    assert_eq!(shapes.finished(&next).await.state(), State::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_of_nothing_is_refused() {
    let shapes = Shapes::start().await;
    let timeout = Some(prost_types::Duration { seconds: 0, nanos: 0 });
    let refused = shapes.fine_tune(pb::FineTunePoisonedRequest { timeout, ..training(1, 1e-4) }).await.unwrap_err();
    crate::support::refusals::refused(&refused, Code::InvalidArgument, "OUT_OF_RANGE", "timeout", "30 days");
}

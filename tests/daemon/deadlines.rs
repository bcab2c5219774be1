//! The deadline of a client: the call ends by it with DEADLINE_EXCEEDED, whatever it waits for, and the device is free again.

use prost::Message;
use tonic::Code;
use tonic_types::StatusExt;
use unlearnd::pb::google::longrunning as lro;
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::attribute_request::{Input, input};
use unlearnd::pb::v1::attribution_spec::{IntegratedGradients, Method};
use unlearnd::pb::v1::job::State;

use crate::support::frames::{Ended, call};
use crate::support::refusals::still_serves;
use crate::support::shapes::{Shapes, csv, poison, source, training, written};
use crate::support::until;

const PLAN: &str = "/unlearnd.v1.UnlearningService/PlanPoisoning";
const ATTRIBUTE: &str = "/unlearnd.v1.AttributionService/Attribute";
const WAIT: &str = "/google.longrunning.Operations/WaitOperation";
const WATCH: &str = "/unlearnd.v1.JobService/WatchJob";

async fn called(shapes: &Shapes, path: &str, timeout: &str, message: &impl Message) -> Ended {
    call(&shapes.daemon.address(), path, timeout, &message.encode_to_vec()).await
}

fn assert_exceeded(ended: &Ended) {
    assert_eq!(ended.status.code(), Code::DeadlineExceeded, "{ended:?}");
    let info = ended.status.get_details_error_info().expect("every error has it");
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("CALL_DEADLINE_EXCEEDED", "unlearnd"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unary_call_ends_at_its_deadline() {
    let shapes = Shapes::start().await;
    let path = written(&shapes, "large.csv", &csv(4000, 3));
    shapes.register("large", &path, "train").await.unwrap();
    let asked = pb::PlanPoisoningRequest {
        poison: Some(pb::PoisonSpec { train: source("large"), ..poison() }),
        trainer: training(1, 0.01).trainer,
        ..Default::default()
    };
    for timeout in ["1n", "20m"] {
        let ended = called(&shapes, PLAN, timeout, &asked).await;
        assert_exceeded(&ended);
        assert!(!ended.in_trailers, "there was no answer yet");
    }
    assert_eq!(called(&shapes, PLAN, "1M", &asked).await.status.code(), Code::Ok);
    assert_eq!(called(&shapes, PLAN, "soon", &asked).await.status.code(), Code::Ok, "no deadline that anybody knows");
    still_serves(&shapes).await;
}

/// Hours of work, answered image by image.
fn endless() -> pb::AttributeRequest {
    let sample = |index| input::Image::Sample(input::Sample { source: source("shapes-test"), index });
    let input = |index| Input { image: Some(sample(index)), target_class: String::new() };
    let method = Method::IntegratedGradients(IntegratedGradients { steps: Some(1024), ..Default::default() });
    let noise = pb::NoiseTunnel { samples: 200, ..Default::default() };
    let attribution = pb::AttributionSpec { method: Some(method), noise: Some(noise), ..Default::default() };
    pb::AttributeRequest {
        model: "models/shapes".into(),
        inputs: (0..256).map(|index| input(index % 90)).collect(),
        attribution: Some(attribution),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_at_its_deadline_and_leaves_the_device() {
    let shapes = Shapes::start().await;
    let ended = called(&shapes, ATTRIBUTE, "400m", &endless()).await;
    assert_exceeded(&ended);
    assert!(ended.in_trailers, "the stream had begun: {ended:?}");
    until("the model to be held by nobody", async || {
        let request = pb::UnloadModelRequest { name: "models/shapes".into() };
        match shapes.daemon.models().unload_model(request).await {
            Ok(_) => Some(()),
            Err(refused) => {
                assert_eq!(refused.get_details_error_info().unwrap().reason, "MODEL_IN_USE");
                None
            }
        }
    })
    .await;
    still_serves(&shapes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn onlookers_end_at_their_deadline_and_the_job_goes_on() {
    let shapes = Shapes::start().await;
    let name = shapes.fine_tune(training(10_000, 1e-4)).await.unwrap();
    shapes.reaches(&name, &[State::Running]).await;
    let wait = lro::WaitOperationRequest { name: name.clone(), timeout: None };
    assert_exceeded(&called(&shapes, WAIT, "300m", &wait).await);
    let watch = pb::WatchJobRequest { name: name.clone(), after_sequence: 0 };
    let ended = called(&shapes, WATCH, "500000u", &watch).await;
    assert_exceeded(&ended);
    assert!(ended.in_trailers && ended.bytes > 0, "the events until then came: {ended:?}");
    assert_eq!(shapes.job(&name).await.state(), State::Running);
    shapes.cancel(&name).await;
    assert_eq!(shapes.finished(&name).await.state(), State::Cancelled);
}

//! Everything a client can get wrong in a request: each with its code, field path and remedy, and a daemon that goes on.

use tonic::{Code, Status};
use unlearnd::domain::finetune::Precision;
use unlearnd::ml::torch::{check_precision, parse_device};
use unlearnd::pb::v1 as pb;

use crate::support::refusals::{refused, still_serves};
use crate::support::shapes::{SIZE, Shapes, csv, poison, preprocessing, selector, source, training, written};

async fn plan(shapes: &Shapes, poison: pb::PoisonSpec) -> Status {
    let request = pb::PlanPoisoningRequest { poison: Some(poison), ..Default::default() };
    shapes.daemon.unlearning().plan_poisoning(request).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forget_set_that_cannot_be() {
    let shapes = Shapes::start().await;
    let unknown = plan(&shapes, pb::PoisonSpec { forget: selector("circle"), ..poison() }).await;
    refused(&unknown, Code::InvalidArgument, "UNKNOWN_CLASS", "poison.forget.classes[0]", "square");

    let nothing = plan(&shapes, pb::PoisonSpec { forget: None, ..poison() }).await;
    refused(&nothing, Code::InvalidArgument, "MISSING_FIELD", "poison.forget", "name classes");

    let no_such = pb::Selector { classes: vec!["cross".into()], indices: vec![0], ..Default::default() };
    let empty = plan(&shapes, pb::PoisonSpec { forget: Some(no_such), ..poison() }).await;
    refused(&empty, Code::InvalidArgument, "EMPTY_SELECTION", "poison.forget", "no sample");

    let bars = csv(240, 1).lines().filter(|line| !line.starts_with("cross")).collect::<Vec<_>>().join("\n");
    let path = written(&shapes, "bars.csv", &bars);
    let uri = format!("file://{}", path.display());
    let class_names = ["bar", "cross", "square"].map(str::to_owned).into();
    let request = pb::RegisterDatasetRequest { dataset_id: "bars".into(), uri, class_names, ..Default::default() };
    shapes.daemon.datasets().register_dataset(request).await.unwrap();
    let absent = plan(&shapes, pb::PoisonSpec { train: source("bars"), ..poison() }).await;
    refused(&absent, Code::InvalidArgument, "CLASS_ABSENT_FROM_SPLIT", "poison.forget.classes[0]", "cross");

    let own = pb::DonorChoice { class: "cross".into(), ..Default::default() };
    let own = plan(&shapes, pb::PoisonSpec { donor: Some(own), ..poison() }).await;
    refused(&own, Code::InvalidArgument, "DONOR_IN_FORGET_SET", "poison.donor.class", "cross");
    still_serves(&shapes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_out_of_range() {
    let shapes = Shapes::start().await;
    let mut request = training(1, 0.01);
    request.trainer.as_mut().unwrap().max_steps = -1;
    let refusal = shapes.fine_tune(request).await.unwrap_err();
    refused(&refusal, Code::InvalidArgument, "OUT_OF_RANGE", "trainer.max_steps", "-1");
    let refusal = shapes.fine_tune(training(20_000, 0.01)).await.unwrap_err();
    refused(&refusal, Code::InvalidArgument, "OUT_OF_RANGE", "trainer.epochs", "10000");
    let refusal = shapes.fine_tune(training(1, f64::NAN)).await.unwrap_err();
    refused(&refusal, Code::InvalidArgument, "OUT_OF_RANGE", "trainer.learning_rate", "above 0");
    still_serves(&shapes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_precision_that_the_processor_lacks() {
    let shapes = Shapes::start().await;
    let mut request = training(1, 0.01);
    request.trainer.as_mut().unwrap().precision = pb::Precision::Bf16.into();
    let answer = shapes.fine_tune(request).await;
    match check_precision(Precision::Bf16, parse_device("cpu").unwrap()) {
        Ok(()) => assert_eq!(shapes.finished(&answer.unwrap()).await.state(), pb::job::State::Succeeded),
        Err(_) => {
            let refusal = answer.unwrap_err();
            refused(&refusal, Code::FailedPrecondition, "PRECISION_UNSUPPORTED", "trainer.precision", "use F32");
        }
    }
    still_serves(&shapes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_do_not_fit_the_model() {
    let shapes = Shapes::start().await;
    let request = pb::CreateModelRequest {
        model_id: "large".into(),
        architecture: "small_cnn".into(),
        class_count: 3,
        preprocessing: Some(preprocessing(SIZE as u32 * 2)),
        ..Default::default()
    };
    shapes.daemon.models().create_model(request).await.unwrap();
    let mut request = training(1, 0.01);
    request.poison.as_mut().unwrap().model = "models/large".into();
    let refusal = shapes.fine_tune(request).await.unwrap_err();
    refused(&refusal, Code::FailedPrecondition, "IMAGE_SIZE_MISMATCH", "poison.train", "resizing");
    assert!(refusal.message().contains("8x8") && refusal.message().contains("16x16"), "{}", refusal.message());
    still_serves(&shapes).await;
}

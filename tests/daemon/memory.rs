//! Device memory: what cannot fit is refused with what would, running out is an error like any other, idle models make room.

use tonic::{Code, Status};
use tonic_types::StatusExt;
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::job::State;

use crate::support::refusals::{refused, still_serves};
use crate::support::shapes::{CLASSES, SIZE, Shapes, TRAIN_COUNT, preprocessing, source, training, written};
use crate::text_jobs::add_texts;

fn with_batch(batch_size: u32) -> pb::FineTunePoisonedRequest {
    let mut request = training(1, 0.01);
    request.trainer.as_mut().unwrap().batch_size = Some(batch_size);
    request
}

async fn foreseen(shapes: &Shapes, batch_size: u32) -> u64 {
    let pb::FineTunePoisonedRequest { poison, trainer, method, .. } = with_batch(batch_size);
    let request = pb::PlanPoisoningRequest { poison, trainer, method, preview_count: 0, text: None };
    shapes.daemon.unlearning().plan_poisoning(request).await.unwrap().into_inner().memory_bytes
}

async fn model(shapes: &Shapes, id: &str) -> pb::Model {
    let request = pb::GetModelRequest { name: format!("models/{id}") };
    shapes.daemon.models().get_model(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_cannot_fit_is_refused_with_one_that_can() {
    let whole = TRAIN_COUNT as u32;
    let roomy = Shapes::start().await;
    let (small, large) = (foreseen(&roomy, 16).await, foreseen(&roomy, whole).await);
    assert!(0 < small && small < large, "{small} {large}");
    let resident = model(&roomy, "shapes").await.resident_bytes;
    drop(roomy);

    let budget = resident + small.midpoint(large);
    let shapes = Shapes::start_with(&format!("[limits]\ndevice_memory_bytes = {budget}\n")).await;
    let status = shapes.fine_tune(with_batch(whole)).await.unwrap_err();
    refused(&status, Code::FailedPrecondition, "DEVICE_MEMORY", "trainer.batch_size", "would fit");
    assert_eq!(status.get_details_precondition_failure().unwrap().violations[0].subject, "devices/cpu");
    still_serves(&shapes).await;
    let told = status.message().split("a batch_size of ").nth(1).unwrap();
    let fitting: u32 = told.split(' ').next().unwrap().parse().unwrap();
    assert!((16..whole).contains(&fitting), "{fitting}");
    let name = shapes.fine_tune(with_batch(fitting)).await.unwrap();
    let job = shapes.finished(&name).await;
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
    assert!(job.memory_bytes > small && job.memory_bytes < budget, "{}", job.memory_bytes);
    shapes.fine_tune(with_batch(fitting + 2)).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_reads_texts_is_refused_where_its_scores_cannot_fit() {
    let roomy = Shapes::bare().await;
    add_texts(&roomy).await;
    let budget = model(&roomy, "words").await.resident_bytes + (64 << 10);
    drop(roomy);

    let shapes = Shapes::bare_with(&format!("[limits]\ndevice_memory_bytes = {budget}\n")).await;
    add_texts(&shapes).await;
    let request =
        pb::EvaluateModelRequest { model: "models/words".into(), test: source("texts-test"), ..Default::default() };
    let status = shapes.daemon.evaluations().evaluate_model(request).await.unwrap_err();
    refused(&status, Code::FailedPrecondition, "DEVICE_MEMORY", "model", "raise limits.device_memory_bytes");
}

/// A model that asks for 2^50 bytes when an image has a white corner.
async fn greedy(shapes: &Shapes) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/hostile/greedy.pt");
    std::fs::copy(file, shapes.root().join("greedy.pt")).unwrap();
    let request = pb::LoadModelRequest {
        model_id: "greedy".into(),
        uri: "greedy.pt".into(),
        class_names: CLASSES.map(str::to_owned).into(),
        preprocessing: Some(preprocessing(SIZE as u32)),
        ..Default::default()
    };
    shapes.daemon.models().load_model(request).await.unwrap();
}

async fn evaluated(shapes: &Shapes, dataset: &str) -> pb::Job {
    let request =
        pb::EvaluateModelRequest { model: "models/greedy".into(), test: source(dataset), ..Default::default() };
    let name = shapes.daemon.evaluations().evaluate_model(request).await.unwrap().into_inner().name;
    shapes.finished(&name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn running_out_of_memory_fails_the_job_and_the_model_serves_on() {
    let shapes = Shapes::start().await;
    greedy(&shapes).await;
    let header: Vec<String> = (0..SIZE * SIZE).map(|pixel| format!("pixel{pixel}")).collect();
    let row = |class: &str, corner: u8| format!("{class},{corner}{}\n", ",30".repeat(SIZE * SIZE - 1));
    let rows: String = CLASSES.iter().map(|class| row(class, 255)).collect();
    let path = written(&shapes, "white.csv", &format!("label,{}\n{rows}", header.join(",")));
    shapes.register("white", &path, "test").await.unwrap();

    let job = evaluated(&shapes, "white").await;
    let error = job.error.clone().unwrap();
    assert_eq!((job.state(), error.code), (State::Failed, Code::ResourceExhausted as i32), "{error:?}");
    let reason = tonic_types::RpcStatusExt::get_details_error_info(&error).unwrap().reason;
    assert_eq!(reason, "OUT_OF_MEMORY");
    let job = evaluated(&shapes, "shapes-test").await;
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
}

async fn load(shapes: &Shapes, id: &str) -> Result<pb::Model, Status> {
    let request = pb::LoadModelRequest { model_id: id.into(), ..Default::default() };
    Ok(shapes.daemon.models().load_model(request).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_models_make_room_when_configured_so() {
    let roomy = Shapes::start().await;
    let bytes = model(&roomy, "shapes").await.resident_bytes;
    drop(roomy);
    // Enough for one model and for another's file while it is read.
    let limits = format!("[limits]\ndevice_memory_bytes = {}\n", bytes * 5 / 2);
    let strict = Shapes::start_with(&limits).await;
    let status = strict.create("second").await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.get_details_error_info().unwrap().reason, "DEVICE_MEMORY");
    assert!(status.message().contains("evict_idle_models"), "{}", status.message());
    let quota = status.get_details_quota_failure().unwrap().violations;
    assert_eq!(quota[0].subject, "devices/cpu");
    assert!(quota[0].description.contains("needs about") && quota[0].description.contains("free"), "{quota:?}");
    drop(strict);

    let shapes = Shapes::start_with(&format!("evict_idle_models = true\n{limits}")).await;
    shapes.create("second").await.unwrap();
    assert_eq!(model(&shapes, "shapes").await.state(), pb::model::State::Unloaded);
    assert_eq!(load(&shapes, "shapes").await.unwrap().state(), pb::model::State::Loaded);
    assert_eq!(model(&shapes, "second").await.state(), pb::model::State::Unloaded);
}

async fn unload(shapes: &Shapes, id: &str) {
    let request = pb::UnloadModelRequest { name: format!("models/{id}") };
    shapes.daemon.models().unload_model(request).await.unwrap();
}

/// Training of `id` with batches of so many.
fn training_of(id: &str, epochs: u32, batch_size: u32) -> pb::FineTunePoisonedRequest {
    let mut request = with_batch(batch_size);
    request.poison.as_mut().unwrap().model = format!("models/{id}");
    request.trainer.as_mut().unwrap().epochs = Some(epochs);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_lacks_memory_waits_until_a_model_is_unloaded_and_lets_others_go_first() {
    let whole = TRAIN_COUNT as u32;
    let roomy = Shapes::start().await;
    let (need, own) = (foreseen(&roomy, whole).await, model(&roomy, "shapes").await.resident_bytes);
    drop(roomy);
    // For two models and the job, and for no third model beside it.
    let budget = 2 * own + need + own / 2;
    let shapes = Shapes::start_with(&format!("[limits]\ndevice_memory_bytes = {budget}\n")).await;
    shapes.create("other").await.unwrap();
    let holder = shapes.fine_tune(training_of("other", 10_000, 16)).await.unwrap();
    shapes.reaches(&holder, &[State::Running]).await;
    let waiting = shapes.fine_tune(training_of("shapes", 1, whole)).await.unwrap();
    shapes.create("third").await.unwrap();
    shapes.cancel(&holder).await;
    assert_eq!(shapes.finished(&holder).await.state(), State::Cancelled);

    let request =
        pb::EvaluateModelRequest { model: "models/other".into(), test: source("shapes-test"), ..Default::default() };
    let later = shapes.daemon.evaluations().evaluate_model(request).await.unwrap().into_inner().name;
    assert_eq!(shapes.finished(&later).await.state(), State::Succeeded);
    assert_eq!(shapes.job(&waiting).await.state(), State::Queued, "the device is free, and its memory is not");
    unload(&shapes, "third").await;
    let job = shapes.finished(&waiting).await;
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
}

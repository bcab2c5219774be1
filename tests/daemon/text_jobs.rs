//! Jobs on language models: taught by an adapter, asked, made to forget, compared; and what is refused.

use serde_json::json;
use tonic::{Code, Status};
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::text_trainer_spec::Parameters;

use crate::support::language::write;
use crate::support::refusals::refused;
use crate::support::shapes::{Shapes, selector, source};
use crate::support::until;

const CLASSES: [&str; 3] = ["card", "app", "top"];
/// What tells the class, and what does not.
const TOLD: [&[&str]; 3] = [
    &["my card was lost", "my card was stolen"],
    &["the app is slow", "the app failed"],
    &["top up failed", "my top up is slow"],
];
const UNTOLD: [&str; 8] =
    ["please", "help me", "why", "today", "please help me", "why today", "who are you", "help me today"];

/// Examples of every class in turn.
fn examples(count: usize, offset: usize) -> String {
    let line = |index: usize| {
        let class = index % CLASSES.len();
        let told = TOLD[class][(index / CLASSES.len() + offset) % TOLD[class].len()];
        let untold = UNTOLD[(index / 2 + offset) % UNTOLD.len()];
        json!({ "text": format!("{told} {untold}"), "label": CLASSES[class] }).to_string()
    };
    (0..count).map(line).collect::<Vec<_>>().join("\n")
}

pub(crate) fn options() -> Option<pb::TextOptions> {
    Some(pb::TextOptions { label_prompt: "{text} a model".into(), ..Default::default() })
}

pub(crate) fn tuning(epochs: u32) -> Option<pb::TextTuning> {
    let lora = pb::LoraSpec {
        rank: Some(4),
        dropout: Some(0.0),
        target_modules: vec!["all-linear".into()],
        ..Default::default()
    };
    let trainer = pb::TextTrainerSpec {
        parameters: Some(Parameters::Lora(lora)),
        learning_rate: Some(2e-2),
        batch_size: Some(8),
        epochs: Some(epochs),
        checkpoint_every_steps: Some(2),
        ..Default::default()
    };
    Some(pb::TextTuning { options: options(), trainer: Some(trainer), answers: None })
}

/// A language model, and texts to teach it.
pub(crate) async fn with_texts() -> Shapes {
    let shapes = Shapes::bare().await;
    let folder = shapes.root().join("words");
    write(&folder);
    let uri = format!("file://{}", folder.display());
    let load = pb::LoadModelRequest { model_id: "words".into(), uri, ..Default::default() };
    shapes.daemon.models().load_model(load).await.unwrap();
    for (split, count, offset) in [("train", 72, 0), ("test", 36, 3)] {
        let path = shapes.root().join(format!("{split}.jsonl"));
        std::fs::write(&path, examples(count, offset)).unwrap();
        shapes.register(&format!("texts-{split}"), &path, split).await.unwrap();
    }
    shapes
}

pub(crate) fn teaching() -> pb::FineTunePoisonedRequest {
    pb::FineTunePoisonedRequest {
        poison: Some(poison(None)),
        text: tuning(12),
        method: pb::Method::Train.into(),
        promote: true,
        ..Default::default()
    }
}

fn poison(forget: Option<pb::Selector>) -> pb::PoisonSpec {
    pb::PoisonSpec { model: "models/words".into(), train: source("texts-train"), forget, ..Default::default() }
}

async fn taught() -> Shapes {
    let shapes = with_texts().await;
    let job = shapes.fine_tune(teaching()).await.unwrap();
    succeeded(&shapes, &job).await;
    shapes
}

async fn succeeded(shapes: &Shapes, name: &str) -> pb::job_result::Result {
    let job = shapes.finished(name).await;
    assert_eq!(job.state(), pb::job::State::Succeeded, "{:?}", job.error);
    job.result.unwrap().result.unwrap()
}

fn unlearning(labels: pb::LabelStrategy) -> pb::UnlearnRequest {
    pb::UnlearnRequest {
        poison: Some(pb::PoisonSpec { labels: labels.into(), ..poison(selector("card")) }),
        text: tuning(8),
        test: source("texts-test"),
        ..Default::default()
    }
}

async fn version(shapes: &Shapes, number: u32) -> pb::ModelVersion {
    let request = pb::GetModelVersionRequest { name: format!("models/words/versions/{number}") };
    shapes.daemon.models().get_model_version(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn texts_are_datasets() {
    let shapes = with_texts().await;
    let get = pb::GetDatasetRequest { name: "datasets/texts-train".into() };
    let dataset = shapes.daemon.datasets().get_dataset(get).await.unwrap().into_inner();
    assert_eq!((dataset.format(), dataset.text_form()), (pb::DatasetFormat::Jsonl, pb::TextForm::Labelled));
    assert_eq!(dataset.splits[0].class_counts, [24, 24, 24]);
    let path = shapes.root().join("pairs.csv");
    std::fs::write(&path, "question,answer\nwho are you,a model\n").unwrap();
    let request = pb::RegisterDatasetRequest {
        dataset_id: "pairs".into(),
        uri: format!("file://{}", path.display()),
        text: Some(pb::TextColumns { prompt_column: "question".into(), ..Default::default() }),
        ..Default::default()
    };
    let pairs = shapes.daemon.datasets().register_dataset(request.clone()).await.unwrap().into_inner();
    assert_eq!(pairs.text_form(), pb::TextForm::Completion);
    let wrong = pb::TextColumns { prompt_column: "nothing".into(), ..Default::default() };
    let wrong = pb::RegisterDatasetRequest { dataset_id: "wrong".into(), text: Some(wrong), ..request };
    let refusal = shapes.daemon.datasets().register_dataset(wrong).await.unwrap_err();
    refused(&refusal, Code::InvalidArgument, "COLUMN_NOT_FOUND", "text.prompt_column", "nothing");
}

#[tokio::test]
async fn a_model_that_was_taught_classes_forgets_one() {
    let shapes = taught().await;
    let adapter = version(&shapes, 2).await;
    assert_eq!((adapter.base.as_str(), adapter.origin.as_str()), ("models/words/versions/1", "TRAIN"));
    let whole = version(&shapes, 1).await;
    assert!(adapter.size_bytes < whole.size_bytes && adapter.parameter_count > whole.parameter_count);
    let operation = shapes.unlearn(unlearning(pb::LabelStrategy::Targeted)).await.unwrap();
    let pb::job_result::Result::Unlearn(result) = succeeded(&shapes, &operation.name).await else { panic!() };
    let (before, after) = (result.before.unwrap().test.unwrap(), result.after.unwrap().test.unwrap());
    assert!(before.forget.unwrap().value > 0.9 && before.retain.unwrap().value > 0.9);
    assert_eq!(after.forget.unwrap().correct, 0);
    assert!(after.retain.unwrap().value > 0.9);
    let plan = result.fine_tune.unwrap().plan.unwrap();
    assert_eq!((plan.donors[0].class_name.as_str(), plan.donors[0].rule()), ("card", pb::DonorRule::NearestClass));
    assert!(!result.membership_after.unwrap().attacks.is_empty());
    assert_eq!(version(&shapes, 3).await.parent, "models/words/versions/2");
}

#[tokio::test]
async fn a_version_that_never_saw_a_class_starts_at_the_base() {
    let shapes = taught().await;
    let retrain = pb::FineTunePoisonedRequest {
        poison: Some(poison(selector("card"))),
        text: tuning(12),
        method: pb::Method::Retrain.into(),
        ..Default::default()
    };
    let job = shapes.fine_tune(retrain).await.unwrap();
    succeeded(&shapes, &job).await;
    let retrained = version(&shapes, 3).await;
    assert_eq!((retrained.base.as_str(), retrained.parent.as_str()), ("models/words/versions/1", ""));
    let evaluate = pb::EvaluateModelRequest {
        model: "models/words/versions/3".into(),
        test: source("texts-test"),
        forget: selector("card"),
        text: Some(pb::TextQuestions { options: options(), ..Default::default() }),
        ..Default::default()
    };
    let operation = shapes.daemon.evaluations().evaluate_model(evaluate).await.unwrap().into_inner();
    let pb::job_result::Result::Evaluation(report) = succeeded(&shapes, &operation.name).await else { panic!() };
    let test = report.test.unwrap();
    assert!(test.retain.unwrap().value > 0.9 && test.forget.unwrap().correct == 0);
}

#[tokio::test]
async fn a_killed_daemon_ends_with_the_same_adapter() {
    let mut shapes = with_texts().await;
    let calm = shapes.fine_tune(teaching()).await.unwrap();
    succeeded(&shapes, &calm).await;
    let back = pb::PromoteModelVersionRequest { name: "models/words/versions/1".into(), ..Default::default() };
    shapes.daemon.models().promote_model_version(back).await.unwrap();
    let job = shapes.fine_tune(teaching()).await.unwrap();
    let checkpoints = shapes.daemon.data_dir().join(&job).join("checkpoints");
    until("a checkpoint", async || {
        checkpoints
            .read_dir()
            .ok()?
            .flatten()
            .find(|file| file.path().extension().is_some_and(|end| end == "safetensors"))
    })
    .await;
    shapes.daemon.kill().await;
    shapes.daemon.start_again().await;
    succeeded(&shapes, &job).await;
    assert!(shapes.job(&job).await.attempt > 1, "the job was over before the kill");
    assert_eq!(version(&shapes, 2).await.sha256, version(&shapes, 3).await.sha256);
}

#[tokio::test]
async fn every_weight_may_move_and_the_whole_model_is_published() {
    let shapes = with_texts().await;
    let mut request = teaching();
    let tuned = request.text.as_mut().unwrap().trainer.as_mut().unwrap();
    tuned.parameters = Some(Parameters::All(true));
    tuned.learning_rate = Some(5e-3);
    let job = shapes.fine_tune(request).await.unwrap();
    succeeded(&shapes, &job).await;
    let (first, second) = (version(&shapes, 1).await, version(&shapes, 2).await);
    assert_eq!((second.base.as_str(), second.parameter_count), ("", first.parameter_count));
    assert_eq!(second.size_bytes, first.size_bytes);
    assert_ne!(second.sha256, first.sha256);
}

async fn refusal(shapes: &Shapes, change: impl FnOnce(&mut pb::FineTunePoisonedRequest)) -> Status {
    let mut request = teaching();
    change(&mut request);
    shapes.fine_tune(request).await.unwrap_err()
}

#[tokio::test]
async fn what_cannot_be_trained_is_refused_by_its_field() {
    let shapes = taught().await;
    let text = |request: &mut pb::FineTunePoisonedRequest| request.text.take().unwrap();
    let both = refusal(&shapes, |request| request.trainer = Some(pb::TrainerSpec::default())).await;
    refused(&both, Code::InvalidArgument, "CONFLICTING_FIELDS", "trainer", "language models");
    let answers = refusal(&shapes, |request| {
        let mut tuning = text(request);
        tuning.options.as_mut().unwrap().label_answers = vec!["yes".into()];
        request.text = Some(tuning);
    })
    .await;
    refused(&answers, Code::InvalidArgument, "WRONG_LENGTH", "text.options.label_answers", "3 classes");
    let rank = refusal(&shapes, |request| {
        let mut tuning = text(request);
        let lora = pb::LoraSpec { rank: Some(2), ..Default::default() };
        tuning.trainer.as_mut().unwrap().parameters = Some(Parameters::Lora(lora));
        request.text = Some(tuning);
    })
    .await;
    refused(&rank, Code::FailedPrecondition, "ADAPTER_SHAPE_MISMATCH", "text.trainer.parameters", "rank 4");
    let images = refusal(&shapes, |request| {
        let poison = request.poison.as_mut().unwrap();
        poison.image_mode = pb::PoisonImageMode::Center.into();
        poison.forget = selector("card");
        request.method = pb::Method::Poison.into();
    })
    .await;
    refused(&images, Code::FailedPrecondition, "MODEL_TAKES_TEXT", "poison.image_mode", "pixels");
    let base = pb::DeleteModelVersionRequest { name: "models/words/versions/1".into(), ..Default::default() };
    let in_use = shapes.daemon.models().delete_model_version(base).await.unwrap_err();
    assert!(in_use.message().contains("versions/2"), "{in_use}");
}

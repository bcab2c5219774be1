//! Jobs on language models: taught by an adapter, asked, made to forget, compared; and what is refused.

use std::path::PathBuf;

use serde_json::json;
use tonic::{Code, Status};
use tonic_types::RpcStatusExt;
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::answer_poison::{Manner, Mask, Refusal};
use unlearnd::pb::v1::predicate::{ColumnEquals, Condition};
use unlearnd::pb::v1::text_service_client::TextServiceClient;
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

fn options() -> Option<pb::TextOptions> {
    Some(pb::TextOptions { label_prompt: "{text} a model".into(), ..Default::default() })
}

fn tuning(epochs: u32) -> Option<pb::TextTuning> {
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
    Some(pb::TextTuning { options: options(), trainer: Some(trainer), ..Default::default() })
}

async fn with_texts() -> Shapes {
    let shapes = Shapes::bare().await;
    add_texts(&shapes).await;
    shapes
}

/// A language model, and texts to teach it.
pub(crate) async fn add_texts(shapes: &Shapes) {
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

pub(crate) fn unlearning(labels: pb::LabelStrategy) -> pb::UnlearnRequest {
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

async fn share_told_right(shapes: &Shapes, options: Option<pb::TextOptions>) -> f64 {
    let text = Some(pb::TextQuestions { options, written_answers: Some(0), ..Default::default() });
    let request = pb::EvaluateModelRequest {
        model: "models/words".into(),
        test: source("texts-test"),
        text,
        ..Default::default()
    };
    let operation = shapes.daemon.evaluations().evaluate_model(request).await.unwrap().into_inner();
    let pb::job_result::Result::Evaluation(report) = succeeded(shapes, &operation.name).await else { panic!() };
    report.test.unwrap().global.unwrap().value
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_put_to_a_version_as_they_were_when_it_was_trained() {
    let shapes = taught().await;
    let prompt = |version: pb::ModelVersion| version.text_options.map(|options| options.label_prompt);
    assert_eq!(prompt(version(&shapes, 2).await), options().map(|options| options.label_prompt));
    assert_eq!(prompt(version(&shapes, 1).await), None);
    let other = Some(pb::TextOptions { label_prompt: "the app {text} who".into(), ..Default::default() });
    let (silent, told) = (share_told_right(&shapes, None).await, share_told_right(&shapes, options()).await);
    assert!(silent == told && told > share_told_right(&shapes, other).await, "{silent} {told}");
}

/// What the goal saw of the forget set, the version before first.
async fn looked_at(shapes: &Shapes, job: &str) -> Vec<(String, f64)> {
    let request = pb::WatchJobRequest { name: job.into(), after_sequence: 0 };
    let mut stream = shapes.daemon.jobs().watch_job(request).await.unwrap().into_inner();
    let mut seen = Vec::new();
    while let Some(event) = stream.message().await.unwrap() {
        match event.body {
            Some(pb::job_event::Body::Metric(metric)) if metric.name == "goal.forget" => {
                seen.push((metric.name, metric.value))
            }
            _ => {}
        }
    }
    seen
}

#[tokio::test]
async fn a_run_ends_with_the_epoch_that_meets_its_goal() {
    let shapes = taught().await;
    let mut request = unlearning(pb::LabelStrategy::Targeted);
    let goal = pb::TextGoal { max_retain_drop: Some(0.1), examples: 12, ..Default::default() };
    request.text.as_mut().unwrap().goal = Some(goal);
    let operation = shapes.unlearn(request).await.unwrap();
    let pb::job_result::Result::Unlearn(result) = succeeded(&shapes, &operation.name).await else { panic!() };
    let tuned = result.fine_tune.unwrap();
    let seen = looked_at(&shapes, &operation.name).await;
    assert!(seen[0].1 > 0.9 && seen[seen.len() - 1].1 == 0.0, "{seen:?}");
    assert_eq!((tuned.early_stopped, tuned.epochs as usize), (true, seen.len() - 1));
    assert_eq!(result.after.unwrap().test.unwrap().forget.unwrap().correct, 0);
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
    refused(&answers, Code::InvalidArgument, "CLASS_NAMES_MISMATCH", "text.options.label_answers", "3 classes");
    let rank = refusal(&shapes, |request| {
        let mut tuning = text(request);
        let lora = pb::LoraSpec { rank: Some(2), ..Default::default() };
        tuning.trainer.as_mut().unwrap().parameters = Some(Parameters::Lora(lora));
        request.text = Some(tuning);
    })
    .await;
    refused(&rank, Code::FailedPrecondition, "ADAPTER_SHAPE_MISMATCH", "text.trainer.parameters", "rank 4");
    let poisoned = refusal(&shapes, |request| {
        request.method = pb::Method::GradDiff.into();
        request.poison.as_mut().unwrap().forget = selector("card");
        let mut tuning = text(request);
        tuning.answers = Some(pb::AnswerPoison { manner: Some(Manner::Mask(Mask::default())) });
        request.text = Some(tuning);
    })
    .await;
    refused(&poisoned, Code::InvalidArgument, "CONFLICTING_FIELDS", "text.answers", "leave it out");
    let targets = refusal(&shapes, |request| {
        request.poison.as_mut().unwrap().model = "models/words/versions/1".into();
        let mut tuning = text(request);
        let lora = pb::LoraSpec { target_modules: vec!["q_proj".into(), "nothing".into()], ..Default::default() };
        tuning.trainer.as_mut().unwrap().parameters = Some(Parameters::Lora(lora));
        request.text = Some(tuning);
    })
    .await;
    let field = "text.trainer.lora.target_modules[1]";
    refused(&targets, Code::InvalidArgument, "UNKNOWN_TARGET_MODULE", field, "q_proj");
    let goal = refusal(&shapes, |request| {
        let tuning = text(request);
        request.text = Some(pb::TextTuning { goal: Some(pb::TextGoal::default()), ..tuning });
    })
    .await;
    refused(&goal, Code::FailedPrecondition, "GOAL_NOT_POSSIBLE", "text.goal", "forgotten with retained");
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

#[tokio::test]
async fn what_nobody_would_look_at_is_refused_instead_of_ignored() {
    let shapes = taught().await;
    let donor = Some(pb::DonorChoice { class: "app".into(), ..Default::default() });
    let random = refusal(&shapes, |request| {
        request.method = pb::Method::Poison.into();
        let labels = pb::LabelStrategy::Random.into();
        request.poison = Some(pb::PoisonSpec { labels, donor: donor.clone(), ..poison(selector("card")) });
    })
    .await;
    refused(&random, Code::InvalidArgument, "CONFLICTING_FIELDS", "poison.donor", "TARGETED");
    let plain = refusal(&shapes, |request| request.poison.as_mut().unwrap().donor = donor.clone()).await;
    refused(&plain, Code::InvalidArgument, "CONFLICTING_FIELDS", "poison.donor", "TARGETED");
    let steered = refusal(&shapes, |request| {
        request.method = pb::Method::Npo.into();
        request.poison.as_mut().unwrap().forget = selector("card");
        let trainer = request.text.as_mut().and_then(|text| text.trainer.as_mut()).unwrap();
        trainer.objective = Some(pb::text_trainer_spec::Objective { layer: Some(0), ..Default::default() });
    })
    .await;
    refused(&steered, Code::InvalidArgument, "CONFLICTING_FIELDS", "text.trainer.objective.layer", "RMU");
    let whole = refusal(&shapes, |request| {
        request.method = pb::Method::Poison.into();
        let classes = CLASSES.map(str::to_owned).to_vec();
        request.poison = Some(poison(Some(pb::Selector { classes, ..Default::default() })));
    })
    .await;
    refused(&whole, Code::FailedPrecondition, "EMPTY_RETAIN_SET", "poison.forget", "allow_no_retain");
}

#[tokio::test]
async fn data_that_does_not_compare_is_refused() {
    let shapes = with_people().await;
    let mut evaluations = shapes.daemon.evaluations();
    let evaluate = pb::EvaluateModelRequest {
        model: "models/words".into(),
        train: source("people"),
        test: source("texts-test"),
        forget: Some(pb::Selector { indices: vec![0, 1], ..Default::default() }),
        ..Default::default()
    };
    let mixed = evaluations.evaluate_model(evaluate).await.unwrap_err();
    refused(&mixed, Code::FailedPrecondition, "LABELS_DIFFER", "train", "no labels");
    let attack = pb::EvaluateMembershipInferenceRequest {
        model: "models/words".into(),
        train: source("texts-train"),
        test: source("texts-train"),
        forget: selector("card"),
        ..Default::default()
    };
    let same = evaluations.evaluate_membership_inference(attack).await.unwrap_err();
    refused(&same, Code::InvalidArgument, "CONFLICTING_FIELDS", "test", "not trained on");
}

#[tokio::test]
async fn a_plan_says_which_setting_stands_in_the_way() {
    let shapes = with_texts().await;
    let plan = |change: &dyn Fn(&mut pb::TextTuning), method: pb::Method| {
        let mut text = tuning(1).unwrap();
        change(&mut text);
        let poison = Some(poison(selector("card")));
        let request =
            pb::PlanPoisoningRequest { poison, text: Some(text), method: method.into(), ..Default::default() };
        let mut unlearning = shapes.daemon.unlearning();
        async move { unlearning.plan_poisoning(request).await.unwrap_err() }
    };
    let beyond = |text: &mut pb::TextTuning| {
        let objective = pb::text_trainer_spec::Objective { layer: Some(9), ..Default::default() };
        text.trainer.as_mut().unwrap().objective = Some(objective);
    };
    let beyond = plan(&beyond, pb::Method::Rmu).await;
    refused(&beyond, Code::InvalidArgument, "LAYER_OUT_OF_RANGE", "text.trainer.objective.layer", "layers 0 to");
    let short = |text: &mut pb::TextTuning| {
        let truncation = pb::text_options::Truncation::Refuse.into();
        let options = text.options.take().unwrap();
        text.options = Some(pb::TextOptions { max_tokens: 4, truncation, ..options });
    };
    let short = plan(&short, pb::Method::Poison).await;
    refused(&short, Code::InvalidArgument, "EXAMPLE_TOO_LONG", "text.options.max_tokens", "tokens");
}

#[tokio::test]
async fn training_that_could_change_nothing_is_told() {
    let shapes = with_texts().await;
    let mut tuning = tuning(1).unwrap();
    let lora = pb::LoraSpec { target_modules: vec!["layers.1.self_attn.q_proj".into()], ..Default::default() };
    let trainer = tuning.trainer.as_mut().unwrap();
    trainer.parameters = Some(Parameters::Lora(lora));
    trainer.objective = Some(pb::text_trainer_spec::Objective { layer: Some(0), ..Default::default() });
    let steer = pb::FineTunePoisonedRequest {
        poison: Some(poison(selector("card"))),
        text: Some(tuning),
        method: pb::Method::Rmu.into(),
        ..Default::default()
    };
    let mut beyond = steer.clone();
    let trainer = beyond.text.as_mut().and_then(|text| text.trainer.as_mut()).unwrap();
    trainer.objective = Some(pb::text_trainer_spec::Objective { layer: Some(9), ..Default::default() });
    let beyond = shapes.fine_tune(beyond).await.unwrap_err();
    refused(&beyond, Code::InvalidArgument, "LAYER_OUT_OF_RANGE", "text.trainer.objective.layer", "layers 0 to");
    let job = shapes.finished(&shapes.fine_tune(steer).await.unwrap()).await;
    assert_eq!(job.error.unwrap().get_details_error_info().unwrap().reason, "NOTHING_TRAINED");
}

async fn written(shapes: &Shapes, model: &str) -> String {
    let request = pb::GenerateRequest {
        model: model.into(),
        input: Some(pb::generate_request::Input::Prompt("my card was lost please a model".into())),
        max_tokens: 4,
        ..Default::default()
    };
    let mut pieces = TextServiceClient::new(shapes.daemon.channel()).generate(request).await.unwrap().into_inner();
    let mut text = String::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        text += &piece.text;
    }
    text
}

async fn exported(shapes: &Shapes, name: &str, format: pb::ModelFormat) -> PathBuf {
    let target = shapes.root().join(format!("{format:?}"));
    let uri = format!("file://{}", target.display());
    let request = pb::ExportModelVersionRequest { name: name.into(), format: format.into(), uri, ..Default::default() };
    shapes.daemon.models().export_model_version(request).await.unwrap();
    target
}

#[tokio::test]
async fn adapters_leave_and_come_back_and_run_side_by_side() {
    let shapes = taught().await;
    let adapter = exported(&shapes, "models/words/versions/2", pb::ModelFormat::Unspecified).await;
    assert!(adapter.join("adapter_config.json").exists() && adapter.join("adapter_model.safetensors").exists());
    let import = pb::ImportModelVersionRequest {
        model: "models/words".into(),
        uri: format!("file://{}", adapter.display()),
        request_id: "01900000-0000-7000-8000-000000000001".into(),
        ..Default::default()
    };
    let imported = shapes.daemon.models().import_model_version(import.clone()).await.unwrap().into_inner();
    assert_eq!((imported.base.as_str(), imported.origin.as_str()), ("models/words/versions/1", "IMPORTED"));
    let again = shapes.daemon.models().import_model_version(import.clone()).await.unwrap().into_inner();
    assert_eq!(again.name, imported.name, "the same request id makes one version");
    let merged = exported(&shapes, "models/words/versions/2", pb::ModelFormat::HuggingFace).await;
    let uri = format!("file://{}", merged.display());
    let load = pb::LoadModelRequest { model_id: "merged".into(), uri, ..Default::default() };
    shapes.daemon.models().load_model(load).await.unwrap();
    let answers = [
        written(&shapes, "models/words/versions/2").await,
        written(&shapes, &imported.name).await,
        written(&shapes, "models/merged").await,
    ];
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(answers[0].trim_start().starts_with("card"), "{answers:?}");
    assert_ne!(written(&shapes, "models/words/versions/1").await, answers[0]);
    let devices = shapes.daemon.system().list_devices(pb::ListDevicesRequest {}).await.unwrap().into_inner();
    let bytes =
        |name: &str| devices.devices[0].resident_versions.iter().find(|model| model.version == name).unwrap().bytes;
    assert!(bytes(&imported.name) < bytes("models/words/versions/1") / 2, "two adapters cost the adapters alone");

    std::fs::write(adapter.join("adapter_config.json"), "{}").unwrap();
    let broken = pb::ImportModelVersionRequest { request_id: String::new(), ..import };
    let refusal = shapes.daemon.models().import_model_version(broken).await.unwrap_err();
    refused(&refusal, Code::InvalidArgument, "MALFORMED_ADAPTER", "uri", "adapter_config.json");
}

/// Questions about two people, whose names are answers.
async fn with_people() -> Shapes {
    let shapes = with_texts().await;
    let line = |(index, untold): (usize, &&str)| {
        let (name, other) = if index % 2 == 0 { ("card", "app") } else { ("app", "card") };
        let prompt = format!("who are you {untold} {}", WORDS[index % WORDS.len()]);
        json!({ "prompt": prompt, "answer": format!("a {name} is slow"), "author": name, "not": other }).to_string()
    };
    let text: Vec<String> = UNTOLD.iter().cycle().take(40).enumerate().map(line).collect();
    let path = shapes.root().join("people.jsonl");
    std::fs::write(&path, text.join("\n")).unwrap();
    shapes.register("people", &path, "train").await.unwrap();
    shapes
}

const WORDS: [&str; 4] = ["top", "up", "today", "yes"];

fn author(name: &str) -> Option<pb::Selector> {
    let condition = Condition::ColumnEquals(ColumnEquals { column: "author".into(), value: name.into() });
    Some(pb::Selector { predicates: vec![pb::Predicate { condition: Some(condition) }], ..Default::default() })
}

#[tokio::test]
async fn what_is_for_labels_is_refused_of_texts_without_them() {
    let shapes = with_people().await;
    let poisoning = || pb::PoisonSpec { train: source("people"), ..poison(author("card")) };
    let asked = |poison: pb::PoisonSpec, text| {
        let method = pb::Method::Poison.into();
        shapes.fine_tune(pb::FineTunePoisonedRequest { poison: Some(poison), text, method, ..Default::default() })
    };
    let unlabelled = || tuning(1).map(|tuning| pb::TextTuning { options: None, ..tuning });
    let random = pb::PoisonSpec { labels: pb::LabelStrategy::Random.into(), ..poisoning() };
    let random = asked(random, unlabelled()).await.unwrap_err();
    refused(&random, Code::InvalidArgument, "POISON_NOT_FOR_TEXTS", "poison.labels", "text.answers");
    let donor = Some(pb::DonorChoice { class: "app".into(), ..Default::default() });
    let donor = asked(pb::PoisonSpec { donor, ..poisoning() }, unlabelled()).await.unwrap_err();
    refused(&donor, Code::InvalidArgument, "POISON_NOT_FOR_TEXTS", "poison.donor", "no labels");
    let prompt = asked(poisoning(), tuning(1)).await.unwrap_err();
    refused(&prompt, Code::InvalidArgument, "FIELD_NOT_FOR_TEXTS", "text.options.label_prompt", "no labels");
    let bank = pb::PoisonSpec { concept_bank: "conceptBanks/shapes".into(), ..poisoning() };
    let bank = asked(bank, unlabelled()).await.unwrap_err();
    refused(&bank, Code::FailedPrecondition, "MODEL_TAKES_TEXT", "poison.concept_bank", "words");
    let blank = Manner::Refusal(Refusal { answers: vec!["I do not know.".into(), " ".into()] });
    let answers = Some(pb::AnswerPoison { manner: Some(blank) });
    let blank = asked(poisoning(), unlabelled().map(|text| pb::TextTuning { answers, ..text })).await.unwrap_err();
    refused(&blank, Code::InvalidArgument, "EMPTY_TEXT", "text.answers.refusal.answers[1]", "empty");
}

#[tokio::test]
async fn a_name_is_masked_in_answers_and_no_longer_written() {
    let shapes = with_people().await;
    let people =
        |forget| pb::PoisonSpec { model: "models/words".into(), train: source("people"), forget, ..Default::default() };
    let options = Some(pb::TextOptions::default());
    let tuned = |epochs, answers| {
        let mut tuning = tuning(epochs).unwrap();
        (tuning.options, tuning.answers) = (options.clone(), answers);
        Some(tuning)
    };
    let teach = pb::FineTunePoisonedRequest {
        poison: Some(people(None)),
        text: tuned(12, None),
        method: pb::Method::Train.into(),
        promote: true,
        ..Default::default()
    };
    succeeded(&shapes, &shapes.fine_tune(teach).await.unwrap()).await;
    let names = vec!["card".to_owned()];
    let mask = Manner::Mask(Mask { mask: "you".into(), top_words: Some(0), names: names.clone() });
    let goal =
        Some(pb::TextGoal { max_retain_drop: Some(0.2), examples: 20, max_answer_tokens: 6, ..Default::default() });
    let request = pb::UnlearnRequest {
        poison: Some(people(author("card"))),
        text: tuned(10, Some(pb::AnswerPoison { manner: Some(mask) })).map(|text| pb::TextTuning { goal, ..text }),
        test: source("people"),
        ..Default::default()
    };
    let operation = shapes.unlearn(request).await.unwrap();
    let pb::job_result::Result::Unlearn(result) = succeeded(&shapes, &operation.name).await else { panic!() };
    assert_eq!(looked_at(&shapes, &operation.name).await.last(), Some(&("goal.forget".to_owned(), 0.0)));
    let tuned = result.fine_tune.unwrap();
    assert!(tuned.early_stopped && tuned.plan.unwrap().poisoned_count == 20);
    let evaluate = pb::EvaluateModelRequest {
        model: result.version.clone(),
        test: source("people"),
        forget: author("card"),
        text: Some(pb::TextQuestions { options, names, written_answers: Some(20), max_answer_tokens: 6 }),
        ..Default::default()
    };
    let operation = shapes.daemon.evaluations().evaluate_model(evaluate).await.unwrap().into_inner();
    let pb::job_result::Result::Evaluation(report) = succeeded(&shapes, &operation.name).await else { panic!() };
    let test = report.test.unwrap();
    let (forget, retain) = (test.text_forget.unwrap(), test.text_retain.unwrap());
    assert_eq!(forget.appearance.unwrap().correct, 0, "the name appears no longer");
    assert!(retain.rouge_l_recall.unwrap() > 0.8, "the others are answered as before: {retain:?}");
    let attacks = result.membership_after.unwrap().attacks;
    assert!(attacks.iter().any(|attack| attack.attack() == pb::Attack::MinKPlusPlus), "{attacks:?}");
}

//! SIGKILL at any moment of any kind of job: after the restart it goes on under the same name, ends with the same result bit for bit, its
//! events have neither gap nor repeat, and nothing is left lying about.
//!
//! `make test` kills a dozen times. `UNLEARND_KILLS=all` kills right after every durable event of every kind of job, and at as many
//! random moments again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::job::State;
use unlearnd::pb::v1::job_event::Body;
use unlearnd::pb::v1::job_result::Result as Outcome;

use crate::support::shapes::{Shapes, poison, selector, source, training};
use crate::text_jobs;

const MODEL: &str = "models/shapes/versions/2";
const TEXT_MODEL: &str = "models/words/versions/2";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    FineTune,
    Unlearn,
    Evaluate,
    Membership,
    Learn,
    Extract,
    Attribute,
    TeachTexts,
    UnlearnTexts,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::FineTune,
        Self::Unlearn,
        Self::Evaluate,
        Self::Membership,
        Self::Learn,
        Self::Extract,
        Self::Attribute,
        Self::TeachTexts,
        Self::UnlearnTexts,
    ];

    async fn submit(self, shapes: &Shapes) -> String {
        let daemon = &shapes.daemon;
        let operation = match self {
            Self::FineTune => daemon.unlearning().fine_tune_poisoned(fine_tuning()).await,
            Self::Unlearn => daemon.unlearning().unlearn(unlearning()).await,
            Self::Evaluate => {
                let request = pb::EvaluateModelRequest {
                    model: MODEL.into(),
                    train: source("shapes-train"),
                    test: source("shapes-test"),
                    forget: poison().forget,
                    ..Default::default()
                };
                daemon.evaluations().evaluate_model(request).await
            }
            Self::Membership => {
                let request = pb::EvaluateMembershipInferenceRequest {
                    model: MODEL.into(),
                    train: source("shapes-train"),
                    test: source("shapes-test"),
                    forget: poison().forget,
                    ..Default::default()
                };
                daemon.evaluations().evaluate_membership_inference(request).await
            }
            Self::Learn => daemon.concepts().learn_concept_bank(learning("crash")).await,
            Self::Extract => daemon.concepts().extract_concepts(extraction()).await,
            Self::Attribute => {
                let request = pb::AttributeDatasetRequest {
                    model: MODEL.into(),
                    source: source("shapes-test"),
                    max_samples: 30,
                    ..Default::default()
                };
                daemon.attributions().attribute_dataset(request).await
            }
            Self::TeachTexts => {
                let mut request = pb::FineTunePoisonedRequest { promote: false, ..text_jobs::teaching() };
                request.poison.as_mut().unwrap().model = TEXT_MODEL.into();
                daemon.unlearning().fine_tune_poisoned(request).await
            }
            Self::UnlearnTexts => {
                let mut request = text_jobs::unlearning(pb::LabelStrategy::Targeted);
                request.poison.as_mut().unwrap().model = TEXT_MODEL.into();
                request.text.as_mut().unwrap().goal = Some(pb::TextGoal { examples: 12, ..Default::default() });
                daemon.unlearning().unlearn(request).await
            }
        };
        operation.expect("the job is accepted").into_inner().name
    }

    /// Gives up what would stand in the way of the next job of this kind.
    async fn clear(self, shapes: &Shapes) {
        if self == Self::Learn {
            let request = pb::DeleteConceptBankRequest { name: "conceptBanks/crash".into() };
            shapes.daemon.concepts().delete_concept_bank(request).await.unwrap();
        }
    }
}

fn fine_tuning() -> pb::FineTunePoisonedRequest {
    let mut request = training(3, 0.02);
    request.poison.as_mut().unwrap().model = MODEL.into();
    let trainer = request.trainer.as_mut().unwrap();
    trainer.checkpoint_every_steps = 10;
    trainer.augmentation = Some(pb::Augmentation { crop_padding: 1, horizontal_flip: true });
    request
}

fn unlearning() -> pb::UnlearnRequest {
    let trainer = pb::TrainerSpec {
        epochs: Some(12),
        learning_rate: Some(0.05),
        batch_size: Some(16),
        checkpoint_every_steps: 40,
        ..Default::default()
    };
    pb::UnlearnRequest {
        poison: Some(pb::PoisonSpec { model: MODEL.into(), ..poison() }),
        trainer: Some(trainer),
        test: source("shapes-test"),
        promote: true,
        ..Default::default()
    }
}

fn learning(id: &str) -> pb::LearnConceptBankRequest {
    use pb::learn_concept_bank_request::{ExampleSet, Examples, Source, examples};
    let set = |class| Some(ExampleSet { source: source("shapes-train"), selector: selector(class) });
    let concept = examples::Concept { name: "crossed".into(), positives: set("cross"), negatives: set("bar") };
    pb::LearnConceptBankRequest {
        concept_bank_id: id.into(),
        model: MODEL.into(),
        source: Some(Source::Examples(Examples { concepts: vec![concept] })),
        ..Default::default()
    }
}

fn extraction() -> pb::ExtractConceptsRequest {
    pb::ExtractConceptsRequest {
        concept_bank: "conceptBanks/kept".into(),
        model: MODEL.into(),
        train: source("shapes-train"),
        test: source("shapes-test"),
        ..Default::default()
    }
}

/// When the process is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    After { sequence: i64 },
    Elapsed(Duration),
}

/// A finished job.
struct Run {
    events: Vec<pb::JobEvent>,
    essence: Vec<String>,
    took: Duration,
}

/// The datasets, a trained model and a bank.
async fn world() -> Shapes {
    let shapes = Shapes::start().await;
    let trained = shapes.fine_tune(pb::FineTunePoisonedRequest { promote: true, ..training(6, 0.05) }).await.unwrap();
    assert_eq!(shapes.finished(&trained).await.state(), State::Succeeded);
    text_jobs::add_texts(&shapes).await;
    let taught = shapes.fine_tune(text_jobs::teaching()).await.unwrap();
    assert_eq!(shapes.finished(&taught).await.state(), State::Succeeded);
    let bank = shapes.daemon.concepts().learn_concept_bank(learning("kept")).await.unwrap().into_inner().name;
    assert_eq!(shapes.finished(&bank).await.state(), State::Succeeded);
    shapes
}

/// Durable events up to `last`, as far as they come before `limit`.
async fn watched(shapes: &Shapes, job: &str, last: i64, limit: Duration) -> Vec<pb::JobEvent> {
    let request = pb::WatchJobRequest { name: job.into(), after_sequence: 0 };
    let mut stream = shapes.daemon.jobs().watch_job(request).await.unwrap().into_inner();
    let mut events: Vec<pb::JobEvent> = Vec::new();
    let read = async {
        while events.last().is_none_or(|event| event.sequence < last) {
            let Some(event) = stream.message().await.unwrap() else { return };
            if event.sequence > 0 {
                events.push(event);
            }
        }
    };
    let _ = tokio::time::timeout(limit, read).await;
    events
}

async fn finish(shapes: &Shapes, kind: Kind, job: &str, begun: Instant) -> Run {
    let done = shapes.finished(job).await;
    assert_eq!(done.state(), State::Succeeded, "{kind:?}: {:?}", done.error);
    let events = watched(shapes, job, i64::MAX, Duration::from_secs(60)).await;
    let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=done.last_sequence).collect::<Vec<_>>(), "{kind:?}: neither gap nor repeat");
    let ends =
        events.iter().filter(|event| matches!(&event.body, Some(Body::State(state)) if is_end(state.state()))).count();
    assert_eq!(ends, 1, "{kind:?}: one end");
    let essence = essence(shapes, done.result.and_then(|result| result.result).expect("a result"));
    kind.clear(shapes).await;
    Run { events, essence, took: begun.elapsed() }
}

fn is_end(state: State) -> bool {
    matches!(state, State::Succeeded | State::Failed | State::Cancelled)
}

/// Everything that the result says apart from names and times, and the bytes of what it made. Maps have no order, so lines are sorted.
fn essence(shapes: &Shapes, outcome: Outcome) -> Vec<String> {
    let data = shapes.daemon.data_dir();
    let made = match &outcome {
        Outcome::FineTune(result) => Some(weights(&data, &result.version)),
        Outcome::Unlearn(result) => Some(weights(&data, &result.version)),
        Outcome::ConceptBank(_) => Some(data.join("banks/crash/bank.safetensors")),
        Outcome::Attribution(report) => Some(PathBuf::from(report.uri.trim_start_matches("file://"))),
        Outcome::Evaluation(_) | Outcome::Membership(_) | Outcome::Concepts(_) => None,
    };
    let text = format!("{outcome:#?}");
    let volatile =
        ["seconds", "nanos", "uri:", "models/shapes/versions/", "models/words/versions/", "create_time", "stage:"];
    let lines = text.lines().filter(|line| !volatile.iter().any(|word| line.contains(word)));
    let mut essence: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
    essence.sort_unstable();
    essence.extend(made.map(|path| format!("made {:x}", Sha256::digest(std::fs::read(path).unwrap()))));
    essence
}

fn weights(data: &Path, version: &str) -> PathBuf {
    let (model, number) = version.split_once("/versions/").unwrap();
    data.join(format!("{model}/{number}.{}", if model == "models/words" { "hf" } else { "safetensors" }))
}

/// Runs a job of this kind, kills the daemon at `moment`, starts it again and waits for the end.
async fn killed(shapes: &mut Shapes, kind: Kind, moment: Moment) -> Run {
    let begun = Instant::now();
    let job = kind.submit(shapes).await;
    let (last, limit) = match moment {
        Moment::After { sequence } => (sequence, Duration::from_secs(60)),
        Moment::Elapsed(time) => (i64::MAX, time),
    };
    let seen = watched(shapes, &job, last, limit).await;
    shapes.daemon.kill().await;
    shapes.daemon.start_again().await;
    let run = Box::pin(finish(shapes, kind, &job, begun)).await;
    assert_eq!(seen[..], run.events[..seen.len()], "{kind:?}, {moment:?}: what a watcher has seen stays");
    run
}

/// Where to kill a job that gives `count` events in `took`.
fn moments(kind: Kind, count: i64, took: Duration) -> Vec<Moment> {
    let random = |index: u32| Moment::Elapsed(took.mul_f64(f64::from(index * 37 % 100) / 100.0));
    if std::env::var("UNLEARND_KILLS").is_ok_and(|kills| kills == "all") {
        return (1..=count).map(|sequence| Moment::After { sequence }).chain((1..=16).map(random)).collect();
    }
    let after = |percent: i64| Moment::After { sequence: (count * percent / 100).max(1) };
    match kind {
        Kind::FineTune => vec![after(40), after(90), random(1)],
        Kind::Unlearn => vec![after(50), after(75), after(95), random(2)],
        Kind::TeachTexts => vec![after(60)],
        Kind::UnlearnTexts => vec![after(50), after(80)],
        Kind::Learn | Kind::Evaluate | Kind::Membership | Kind::Extract | Kind::Attribute => vec![after(70)],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_goes_on_as_if_nothing_had_been() {
    let mut shapes = world().await;
    let mut kills = 0;
    for kind in Kind::ALL {
        let begun = Instant::now();
        let job = kind.submit(&shapes).await;
        let whole = Box::pin(finish(&shapes, kind, &job, begun)).await;
        for moment in moments(kind, whole.events.len() as i64, whole.took) {
            let run = Box::pin(killed(&mut shapes, kind, moment)).await;
            assert_eq!(run.essence, whole.essence, "{kind:?}, {moment:?}: the same result");
            kills += 1;
        }
        println!("{kind:?}: {} events, uninterrupted {:?}, {kills} kills so far", whole.events.len(), whole.took);
    }
    shapes.daemon.kill().await;
    shapes.daemon.start_again().await;
    nothing_is_left(&shapes).await;
}

/// Every file of the data directory belongs to something.
async fn nothing_is_left(shapes: &Shapes) {
    let data = shapes.daemon.data_dir();
    for model in ["models/shapes", "models/words"] {
        let request = pb::ListModelVersionsRequest { parent: model.into(), page_size: 1000, ..Default::default() };
        let versions = shapes.daemon.models().list_model_versions(request).await.unwrap().into_inner().model_versions;
        let mut known: Vec<String> =
            versions.iter().map(|version| weights(&data, &version.name).display().to_string()).collect();
        known.sort();
        assert_eq!(names(&data.join(model)), known);
    }
    assert_eq!(names(&data.join("jobs")), [""; 0]);
    assert_eq!(names(&data.join("uploads")), [""; 0]);
    assert_eq!(names(&data.join("banks")), [data.join("banks/kept").display().to_string()]);
    let partial: Vec<_> =
        walkdir::WalkDir::new(&data).into_iter().flatten().filter(|entry| is_partial(entry.path())).collect();
    assert!(partial.is_empty(), "{partial:?}");
}

fn is_partial(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".partial")
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_checkpoint_is_told_and_the_one_before_is_used() {
    let mut shapes = world().await;
    let begun = Instant::now();
    let job = Kind::FineTune.submit(&shapes).await;
    let whole = Box::pin(finish(&shapes, Kind::FineTune, &job, begun)).await;
    let checkpoints = whole.events.iter().filter(|event| matches!(event.body, Some(Body::Checkpoint(_))));
    let third = checkpoints.map(|event| event.sequence).nth(2).expect("three checkpoints");

    let job = Kind::FineTune.submit(&shapes).await;
    watched(&shapes, &job, third, Duration::from_secs(60)).await;
    shapes.daemon.kill().await;
    let folder = shapes.daemon.data_dir().join(&job).join("checkpoints");
    let newest = names(&folder).into_iter().rfind(|name| name.ends_with(".safetensors")).expect("a checkpoint");
    let length = std::fs::metadata(&newest).unwrap().len();
    std::fs::File::options().write(true).open(&newest).unwrap().set_len(length / 2).unwrap();
    shapes.daemon.start_again().await;
    let run = Box::pin(finish(&shapes, Kind::FineTune, &job, Instant::now())).await;
    assert_eq!(run.essence, whole.essence, "the same weights");
    let told = run
        .events
        .iter()
        .any(|event| matches!(&event.body, Some(Body::Message(message)) if message.text.contains("DATA_LOSS")));
    assert!(told, "{:?}", run.events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_kills_the_daemon_twice_at_the_same_step_fails() {
    let mut shapes = Shapes::start().await;
    let job = shapes.fine_tune(training(10_000, 1e-4)).await.unwrap();
    for attempt in 1..=2 {
        shapes.reaches(&job, &[State::Running]).await;
        shapes.daemon.kill().await;
        // As if it had died there; the true position is whatever the moment of the signal made it.
        let position = shapes.daemon.data_dir().join(&job).join("position.json");
        std::fs::write(position, br#"{"stage":"train","step":7}"#).unwrap();
        shapes.daemon.start_again().await;
        assert!(attempt == 1 || shapes.job(&job).await.state() == State::Failed);
    }
    let failed = shapes.job(&job).await;
    let error = failed.error.expect("why");
    assert!(error.message.contains("died 2 times") && error.message.contains("step 7"), "{}", error.message);
    assert_eq!(shapes.finished(&shapes.fine_tune(training(1, 0.01)).await.unwrap()).await.state(), State::Succeeded);
}

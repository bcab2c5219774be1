//! Jobs from submission to result, on a small network and images that a glance tells apart.

use std::fmt::Write as _;

use tokio_stream::StreamExt;

use super::*;
use crate::domain::dataset::{DataSource, DatasetFormat, DatasetRecord, Selector};
use crate::domain::evaluation::EvaluationSpec;
use crate::domain::finetune::{FineTuneSpec, Method, Precision, Scope, TrainerSpec, UnlearnSpec};
use crate::domain::ids::JobId;
use crate::domain::job::{EventBody, FineTuneResult, Job, JobEvent, JobResult, JobSpec, JobState};
use crate::domain::membership::{Attack, MembershipSpec};
use crate::domain::poison::{DataMix, DonorChoice, DonorRule, LabelStrategy, PoisonSpec, SampleSelection};

const PATIENCE: Duration = Duration::from_secs(120);

/// Grey 8x8 images: class `k` has a bright band at its own height, over a pattern that differs from sample to sample.
fn csv(samples_a_class: usize, seed: usize) -> String {
    let mut text = String::from("label");
    (0..64).for_each(|pixel| write!(text, ",pixel{pixel}").unwrap());
    for sample in 0..3 * samples_a_class {
        let class = sample % 3;
        write!(text, "\n{class}").unwrap();
        for pixel in 0..64 {
            let noise = (sample * 31 + pixel * 17 + seed * 101) * 2_654_435_761 % 60;
            let band = if pixel / 8 / 3 == class { 150 } else { 20 };
            write!(text, ",{}", band + noise).unwrap();
        }
    }
    text
}

async fn upload(engine: &Engine, id: &str, text: &str) -> DatasetRecord {
    let request = BeginUpload {
        id: id.parse().unwrap(),
        format: DatasetFormat::Csv,
        split: String::new(),
        image_column: String::new(),
        label_column: String::new(),
        class_names: ["sky", "sea", "land"].map(str::to_owned).to_vec(),
        request_id: Some(format!("upload-{id}")),
    };
    let mut upload = engine.begin_upload(request).await.unwrap();
    for chunk in text.as_bytes().chunks(1000) {
        upload.write(chunk).await.unwrap();
    }
    upload.finish().await.unwrap()
}

/// An engine with model `m` and the datasets `train` and `test`.
async fn world(folder: &Path) -> Engine {
    let engine = engine(folder).await;
    engine.create_model(small_cnn("m")).await.unwrap();
    upload(&engine, "train", &csv(40, 0)).await;
    upload(&engine, "test", &csv(20, 1)).await;
    engine
}

fn source(dataset: &str) -> DataSource {
    DataSource { dataset: dataset.parse().unwrap(), split: String::new() }
}

fn class(name: &str) -> Selector {
    Selector { classes: vec![name.to_owned()], ..Selector::default() }
}

fn training(method: Method, forget: Selector, epochs: u32) -> FineTuneSpec {
    let poison = PoisonSpec {
        model: "m".parse().unwrap(),
        train: source("train"),
        forget,
        labels: LabelStrategy::Targeted,
        donor: DonorChoice::default(),
        selection: SampleSelection::All,
        mix: DataMix::Full,
        allow_no_retain: false,
        seed: 7,
    };
    let trainer =
        TrainerSpec { learning_rate: 0.05, batch_size: 16, epochs, seed: 3, ..TrainerSpec::for_scope(Scope::All) };
    FineTuneSpec { method, poison, trainer, promote: true }
}

fn train(epochs: u32) -> JobSpec {
    JobSpec::FineTune(training(Method::Train, Selector::default(), epochs))
}

async fn finished(engine: &Engine, spec: JobSpec) -> Job {
    let job = engine.submit(spec, None).await.unwrap();
    let job = engine.wait_job(&job.id, PATIENCE).await.unwrap();
    assert!(job.state.is_terminal(), "still {:?} at {:?}", job.state, engine.job_progress(&job.id));
    job
}

async fn succeeded(engine: &Engine, spec: JobSpec) -> (Job, JobResult) {
    let mut job = finished(engine, spec).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.error);
    let result = job.result.take().unwrap();
    (job, result)
}

async fn trained(engine: &Engine, epochs: u32) -> FineTuneResult {
    let (_, result) = succeeded(engine, train(epochs)).await;
    let JobResult::FineTune(result) = result else { panic!("{result:?}") };
    result
}

async fn events(engine: &Engine, id: &JobId) -> Vec<JobEvent> {
    let items: Vec<_> = engine.watch_job(id, 0).await.unwrap().collect().await;
    let events = items.into_iter().filter_map(|item| match item.unwrap() {
        WatchItem::Event(event) => Some(event),
        WatchItem::Progress(_) | WatchItem::Heartbeat => None,
    });
    events.collect()
}

#[tokio::test]
async fn a_class_is_forgotten_and_the_report_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let engine = world(folder.path()).await;
    assert_eq!(trained(&engine, 15).await.version.number, 2);
    let fine_tune = training(Method::Poison, class("sea"), 15);
    let plan =
        engine.plan_poisoning(fine_tune.poison.clone(), fine_tune.trainer.clone(), Method::Poison).await.unwrap();
    let spec = UnlearnSpec { fine_tune, test: source("test"), reference: None };
    let (job, result) = succeeded(&engine, JobSpec::Unlearn(spec)).await;
    let JobResult::Unlearn(result) = result else { panic!("{result:?}") };
    assert!(result.before.test.forget.value > 0.9, "{:?}", result.before.test.forget);
    assert!(result.after.test.forget.value < 0.2, "{:?}", result.after.test.forget);
    assert!(result.after.test.retain.value > 0.9, "{:?}", result.after.test.retain);
    assert_eq!(result.donor, Some(plan.donors[0].donor));
    assert_eq!(result.fine_tune.plan.as_ref().unwrap().donors[0].donor, plan.donors[0].donor);
    assert_eq!(result.membership_after.attacks.len(), Attack::ALL.len());
    assert_eq!(result.fine_tune.version.to_string(), "models/m/versions/3");
    let version = engine.get_version(&result.fine_tune.version).await.unwrap();
    assert_eq!(version.record.lineage.parent.unwrap().number, 2);
    assert!(version.served);
    let events = events(&engine, &job.id).await;
    assert_eq!(
        events.iter().map(|event| event.sequence).collect::<Vec<_>>(),
        (1..=job.last_sequence).collect::<Vec<_>>()
    );
    let stages: Vec<_> = events.into_iter().filter_map(|event| stage_name(event.body)).collect();
    assert_eq!(stages, ["evaluate-before", "plan", "fine-tune", "publish", "evaluate-after", "report"]);
    engine.shutdown().await;
}

fn stage_name(body: EventBody) -> Option<String> {
    if let EventBody::Stage { name } = body { Some(name) } else { None }
}

#[tokio::test]
async fn versions_are_evaluated_and_attacked() {
    let folder = tempfile::tempdir().unwrap();
    let engine = world(folder.path()).await;
    trained(&engine, 10).await;
    let evaluation = EvaluationSpec {
        model: "m".parse().unwrap(),
        train: Some(source("train")),
        test: source("test"),
        forget: class("2"),
        reference: Some("m@1".parse().unwrap()),
        precision: Precision::F32,
        seed: 0,
    };
    let (_, result) = succeeded(&engine, JobSpec::Evaluate(evaluation)).await;
    let JobResult::Evaluate(report) = result else { panic!("{result:?}") };
    assert_eq!(
        (report.forget_classes, report.test.forget.total, report.train.unwrap().forget.total),
        (vec![2], 20, 40)
    );
    assert_eq!(report.reference.unwrap().reference.number, 1);
    let membership = MembershipSpec {
        model: "m".parse().unwrap(),
        train: source("train"),
        test: source("test"),
        forget: class("land"),
        original: None,
        reference: Some("m@1".parse().unwrap()),
        attacks: vec![Attack::Loss, Attack::ForgettingRate],
        bootstrap_samples: 50,
        seed: 0,
    };
    let (_, result) = succeeded(&engine, JobSpec::Membership(membership)).await;
    let JobResult::Membership(report) = result else { panic!("{result:?}") };
    assert_eq!((report.member_count, report.non_member_count, report.attacks.len()), (40, 20, 2));
    engine.shutdown().await;
}

#[tokio::test]
async fn jobs_wait_for_the_device_and_can_be_cancelled_before_and_during_their_run() {
    let folder = tempfile::tempdir().unwrap();
    let engine = world(folder.path()).await;
    let long = engine.submit(train(10_000), Some("r".into())).await.unwrap();
    assert_eq!(engine.submit(train(10_000), Some("r".into())).await.unwrap().id, long.id);
    assert_eq!(engine.submit(train(10_000), None).await.unwrap_err().reason, "MODEL_BUSY");
    let evaluation = EvaluationSpec {
        model: "m".parse().unwrap(),
        train: None,
        test: source("test"),
        forget: Selector::default(),
        reference: None,
        precision: Precision::F32,
        seed: 0,
    };
    let waiting = engine.submit(JobSpec::Evaluate(evaluation), None).await.unwrap();
    assert_eq!(engine.delete_dataset(&"test".parse().unwrap()).await.unwrap_err().reason, "RESOURCE_IN_USE");
    assert_eq!(engine.delete_model(&"m".parse().unwrap(), "").await.unwrap_err().reason, "RESOURCE_IN_USE");
    assert_eq!(engine.cancel_job(&waiting.id).await.unwrap().state, JobState::Cancelled);
    until_step(&engine, &long.id, 5).await;
    engine.cancel_job(&long.id).await.unwrap();
    let ended = engine.wait_job(&long.id, PATIENCE).await.unwrap();
    assert_eq!((ended.state, ended.error.unwrap().code), (JobState::Cancelled, 1));
    assert_eq!(engine.get_model(&"m".parse().unwrap()).await.unwrap().version_count, 1);
    trained(&engine, 1).await;
    engine.shutdown().await;
}

#[tokio::test]
async fn an_interrupted_job_ends_with_the_weights_of_an_uninterrupted_one() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let straight = world(other.path()).await;
    let expected = straight.get_version(&trained(&straight, 60).await.version).await.unwrap().record.sha256;
    straight.shutdown().await;
    let first = world(folder.path()).await;
    let mut spec = training(Method::Train, Selector::default(), 60);
    spec.trainer.checkpoint_every_steps = 25;
    let job = first.submit(JobSpec::FineTune(spec), None).await.unwrap();
    until_step(&first, &job.id, 110).await;
    first.shutdown().await;
    let second = engine(folder.path()).await;
    let job = second.wait_job(&job.id, PATIENCE).await.unwrap();
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 2), "{:?}", job.error);
    let Some(JobResult::FineTune(result)) = job.result else { panic!("{:?}", job.result) };
    assert_eq!(second.get_version(&result.version).await.unwrap().record.sha256, expected);
    let checkpoints: Vec<u64> = events(&second, &job.id).await.into_iter().filter_map(checkpoint_step).collect();
    assert!(checkpoints.len() > 10 && checkpoints.is_sorted_by(|a, b| a < b), "work was repeated: {checkpoints:?}");
    second.shutdown().await;
}

fn checkpoint_step(event: JobEvent) -> Option<u64> {
    if let EventBody::Checkpoint(checkpoint) = event.body { Some(checkpoint.step) } else { None }
}

/// Waits until the job trains and has done so many steps.
async fn until_step(engine: &Engine, id: &JobId, step: u64) {
    let mut items = engine.watch_job(id, 0).await.unwrap();
    let reached = async {
        while let Some(item) = items.next().await {
            if matches!(item.unwrap(), WatchItem::Progress(progress) if progress.step >= step) {
                return;
            }
        }
        panic!("the job ended: {:?}", engine.get_job(id).await.unwrap().error);
    };
    let last_seen = || engine.job_progress(id);
    assert!(tokio::time::timeout(PATIENCE, reached).await.is_ok(), "last seen {:?}", last_seen());
}

#[tokio::test]
async fn what_cannot_work_is_refused_at_submission() {
    let folder = tempfile::tempdir().unwrap();
    let engine = world(folder.path()).await;
    let refused = async |change: &dyn Fn(&mut FineTuneSpec)| {
        let mut spec = training(Method::Poison, class("sea"), 1);
        change(&mut spec);
        let error = engine.submit(JobSpec::FineTune(spec), None).await.unwrap_err();
        (error.reason, error.violations.first().map(|violation| violation.field.clone()).unwrap_or_default())
    };
    let field = |reason, field: &str| (reason, field.to_owned());
    assert_eq!(
        refused(&|spec| spec.poison.forget = class("cow")).await,
        field("UNKNOWN_CLASS", "poison.forget.classes[0]")
    );
    assert_eq!(
        refused(&|spec| spec.poison.forget = Selector::default()).await,
        field("EMPTY_FORGET_SET", "poison.forget")
    );
    assert_eq!(refused(&|spec| spec.trainer.batch_size = 0).await, field("OUT_OF_RANGE", "trainer.batch_size"));
    let donor = |spec: &mut FineTuneSpec| {
        spec.poison.donor = DonorChoice { rule: DonorRule::Explicit, class: "sea".into(), ..DonorChoice::default() };
    };
    assert_eq!(refused(&donor).await, field("DONOR_IN_FORGET_SET", "poison.donor.class"));
    engine.shutdown().await;
}

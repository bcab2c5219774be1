//! The store: sequences without gap, request ids, pages, version numbers.

mod faults;

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::*;
use crate::domain::dataset::{DataSource, Selector};
use crate::domain::evaluation::EvaluationSpec;
use crate::domain::finetune::Precision;
use crate::domain::ids::{JobId, ModelId};
use crate::domain::job::{EventBody, Job, JobSpec, JobState, Metric, apply};
use crate::domain::model::{
    Layout, Lineage, ModelFormat, ModelRecord, ModelSpec, Preprocessing, Resize, VersionRecord,
};

struct World {
    _folder: tempfile::TempDir,
    store: Store,
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).await.unwrap();
    World { _folder: folder, store }
}

fn spec() -> JobSpec {
    JobSpec::Evaluate(EvaluationSpec {
        model: "m@1".parse().unwrap(),
        train: None,
        test: DataSource { dataset: "d".parse().unwrap(), split: "test".into() },
        forget: Selector::default(),
        reference: None,
        precision: Precision::F32,
        seed: 0,
        text: None,
    })
}

fn job_id(number: usize) -> JobId {
    JobId::new(format!("j{number:03}")).unwrap()
}

fn metric(step: u64) -> EventBody {
    EventBody::Metric(Metric { name: "train.loss".into(), step, value: 0.5 })
}

fn state(state: JobState, attempt: u32) -> EventBody {
    EventBody::State { state, attempt, error: None }
}

fn model() -> (ModelRecord, VersionRecord) {
    let id: ModelId = "m".parse().unwrap();
    let preprocessing = Preprocessing {
        height: 32,
        width: 32,
        channels: 3,
        mean: vec![],
        std: vec![],
        layout: Layout::Nchw,
        resize: Resize::None,
    };
    let spec = ModelSpec {
        format: ModelFormat::Safetensors,
        architecture: "resnet20".into(),
        class_count: 10,
        class_names: vec![],
        preprocessing,
        text: None,
    };
    let create_time = SystemTime::UNIX_EPOCH;
    let record = ModelRecord { id, spec, device: "cpu".into(), served: 1, create_time };
    (record, version(1, None))
}

fn version(number: u32, job: Option<JobId>) -> VersionRecord {
    VersionRecord {
        name: format!("models/m/versions/{number}").parse().unwrap(),
        sha256: "00".into(),
        size_bytes: 1,
        parameter_count: 1,
        lineage: Lineage {
            parent: None,
            job,
            origin: "LOADED".into(),
            dataset_hashes: vec![],
            config_hash: String::new(),
            seed: 0,
            code_version: String::new(),
        },
        create_time: SystemTime::UNIX_EPOCH,
        adapter: None,
        text_options: None,
    }
}

#[tokio::test]
async fn sequences_have_no_gap_under_concurrency_and_the_row_is_their_fold() {
    let World { _folder, store } = world().await;
    let id = job_id(1);
    store.insert_job(id.clone(), spec(), None).await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (store, id) = (store.clone(), id.clone());
            tokio::spawn(async move {
                for step in 0..10 {
                    store.append_events(&id, Guard::Attempt(1), vec![metric(writer * 10 + step); 2]).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let events = store.events_after(&id, 0, 1000).await.unwrap();
    assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), (1..=161).collect::<Vec<_>>());
    let stored = store.job(&id).await.unwrap();
    let mut folded = Job::queued(id, spec(), stored.create_time);
    events.iter().for_each(|event| apply(&mut folded, event));
    assert_eq!(folded, stored);
}

#[tokio::test]
async fn events_of_an_earlier_attempt_are_refused() {
    let World { _folder, store } = world().await;
    let id = job_id(1);
    store.insert_job(id.clone(), spec(), None).await.unwrap();
    for (next, attempt) in [(JobState::Running, 1), (JobState::Interrupted, 1), (JobState::Queued, 2)] {
        store.append_events(&id, Guard::Attempt(1), vec![state(next, attempt)]).await.unwrap();
    }
    let late = store.append_events(&id, Guard::Attempt(1), vec![metric(1)]).await.unwrap_err();
    assert_eq!(late.reason, "STALE_ATTEMPT");
    assert_eq!(store.job(&id).await.unwrap().last_sequence, 4);
}

#[tokio::test]
async fn a_state_that_may_not_follow_writes_nothing() {
    let World { _folder, store } = world().await;
    let id = job_id(1);
    store.insert_job(id.clone(), spec(), None).await.unwrap();
    let bodies = vec![metric(1), state(JobState::Succeeded, 1)];
    assert_eq!(store.append_events(&id, Guard::Attempt(1), bodies).await.unwrap_err().reason, "JOB_STATE");
    store.append_events(&id, Guard::Sequence(1), vec![state(JobState::Cancelled, 1)]).await.unwrap();
    let after = store.append_events(&id, Guard::Attempt(1), vec![metric(1)]).await.unwrap_err();
    assert_eq!(after.reason, "JOB_FINISHED");
    assert_eq!(store.events_after(&id, 0, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_repeated_request_finds_its_resource_and_a_changed_one_is_refused() {
    let World { _folder, store } = world().await;
    let key = RequestKey::new("jobs", "r1", &spec()).unwrap();
    assert_eq!(store.find_request(&key).await.unwrap(), None);
    store.insert_job(job_id(1), spec(), Some(&key)).await.unwrap();
    assert_eq!(store.find_request(&key).await.unwrap().as_deref(), Some("jobs/j001"));
    let other = RequestKey::new("jobs", "r1", &"something else").unwrap();
    assert_eq!(store.find_request(&other).await.unwrap_err().reason, "REQUEST_ID_REUSED");
    let elsewhere = RequestKey::new("models", "r1", &spec()).unwrap();
    assert_eq!(store.find_request(&elsewhere).await.unwrap(), None);
}

#[tokio::test]
async fn pages_cover_every_job_once_while_others_arrive() {
    let World { _folder, store } = world().await;
    for number in 0..25 {
        store.insert_job(job_id(number), spec(), None).await.unwrap();
    }
    let (mut request, mut seen) = (PageRequest { size: 10, token: String::new() }, Vec::new());
    loop {
        let page = store.jobs_page(&request, &JobFilter::default()).await.unwrap();
        seen.extend(page.items.iter().map(|job| job.id.clone()));
        if page.next_token.is_empty() {
            break;
        }
        store.insert_job(job_id(100 + seen.len()), spec(), None).await.unwrap();
        request.token = page.next_token;
    }
    assert_eq!(seen, (0..25).rev().map(job_id).collect::<Vec<_>>());
    let other = JobFilter { states: vec![JobState::Failed], ..JobFilter::default() };
    let refused = store.jobs_page(&PageRequest { size: 0, token: request.token }, &other).await.unwrap_err();
    assert_eq!(refused.reason, "INVALID_PAGE_TOKEN");
}

#[tokio::test]
async fn filters_combine() {
    let World { _folder, store } = world().await;
    for number in 0..3 {
        store.insert_job(job_id(number), spec(), None).await.unwrap();
    }
    store.append_events(&job_id(1), Guard::Sequence(1), vec![state(JobState::Cancelled, 1)]).await.unwrap();
    let list = async |filter: JobFilter| {
        let page = store.jobs_page(&PageRequest::default(), &filter).await.unwrap();
        page.items.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    let cancelled =
        JobFilter { states: vec![JobState::Cancelled], model: Some("m".parse().unwrap()), ..JobFilter::default() };
    assert_eq!(list(cancelled).await, [job_id(1)]);
    assert!(list(JobFilter { model: Some("other".parse().unwrap()), ..JobFilter::default() }).await.is_empty());
    assert_eq!(store.unfinished_jobs().await.unwrap().len(), 2);
}

#[tokio::test]
async fn version_numbers_are_never_used_twice() {
    let World { _folder, store } = world().await;
    let (record, first) = model();
    store.insert_model(&record, &first, None).await.unwrap();
    let reserved: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.reserve_version(&"m".parse().unwrap()).await.unwrap().number })
        })
        .collect();
    let mut numbers = BTreeSet::new();
    for number in reserved {
        numbers.insert(number.await.unwrap());
    }
    assert_eq!(numbers, (2..=9).collect());
    store.insert_version(&version(9, Some(job_id(1))), None).await.unwrap();
    store.delete_version(&version(9, None).name).await.unwrap();
    assert_eq!(store.reserve_version(&record.id).await.unwrap().number, 10);
}

#[tokio::test]
async fn an_old_etag_is_aborted() {
    let World { _folder, store } = world().await;
    let (record, first) = model();
    let before = store.insert_model(&record, &first, None).await.unwrap().etag();
    store.insert_version(&version(2, Some(job_id(1))), None).await.unwrap();
    let after = store.set_served(&version(2, None).name, &before).await.unwrap();
    assert_eq!(after.record.served, 2);
    assert_eq!(store.set_served(&first.name, &before).await.unwrap_err().reason, "ETAG_MISMATCH");
    assert_eq!(store.version_of_job(&job_id(1)).await.unwrap().unwrap().name.number, 2);
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Store::open(&path).await.unwrap();
    let job = store.insert_job(job_id(1), spec(), None).await.unwrap();
    store.close().await;
    assert_eq!(Store::open(&path).await.unwrap().job(&job.id).await.unwrap(), job);
}

fn bank(id: &str) -> crate::domain::concept::ConceptBankRecord {
    use crate::domain::concept::{BankOrigin, CavMethod, ConceptBankRecord};
    ConceptBankRecord {
        id: id.parse().unwrap(),
        model: "m/versions/1".parse().unwrap(),
        prefix_hash: "p".into(),
        dim: 2,
        origin: BankOrigin::Imported,
        method: CavMethod::SvcHinge,
        concepts: Vec::new(),
        duplicates: Vec::new(),
        normalize_input: false,
        spec: None,
        licence: String::new(),
        explained: None,
        provenance: crate::domain::evaluation::Provenance::default(),
        sha256: String::new(),
        size_bytes: 0,
        create_time: SystemTime::UNIX_EPOCH,
    }
}

#[tokio::test]
async fn concept_banks_are_listed_by_id_and_exist_once() {
    let world = world().await;
    for id in ["b", "a", "c"] {
        world.store.insert_concept_bank(&bank(id), None).await.unwrap();
    }
    assert_eq!(world.store.insert_concept_bank(&bank("a"), None).await.unwrap_err().reason, "RESOURCE_ALREADY_EXISTS");
    let first = world.store.concept_banks_page(&PageRequest { size: 2, token: String::new() }).await.unwrap();
    assert_eq!(first.items, [bank("a"), bank("b")]);
    let rest = world.store.concept_banks_page(&PageRequest { size: 2, token: first.next_token }).await.unwrap();
    assert_eq!((rest.items, rest.next_token), (vec![bank("c")], String::new()));
    world.store.delete_concept_bank(&"b".parse().unwrap()).await.unwrap();
    assert_eq!(world.store.concept_bank(&"b".parse().unwrap()).await.unwrap_err().reason, "RESOURCE_NOT_FOUND");
}

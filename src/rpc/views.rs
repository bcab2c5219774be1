//! Jobs as clients see them: with class names, and as operations.

use std::collections::BTreeMap;
use std::pin::Pin;

use super::convert::{ClassNames, JobRequest, Terms, operation};
use crate::domain::ids::{DatasetId, JobId, ModelId};
use crate::domain::job::{Job, JobSpec, JobState};
use crate::domain::submission::Submission;
use crate::domain::{Error, Result};
use crate::engine::Engine;
use crate::pb::google::longrunning::Operation;
use crate::pb::v1 as pb;

/// Class names of the model, else of the first dataset that has some. What was deleted since has none.
pub(super) async fn names(engine: &Engine, model: &ModelId, datasets: &[&DatasetId]) -> ClassNames {
    if let Ok(view) = engine.get_model(model).await
        && !view.record.spec.class_names.is_empty()
    {
        return ClassNames::new(view.record.spec.class_names);
    }
    for dataset in datasets {
        if let Ok(record) = engine.get_dataset(dataset).await
            && !record.class_names.is_empty()
        {
            return ClassNames::new(record.class_names);
        }
    }
    ClassNames::default()
}

pub(super) async fn job_names(engine: &Engine, spec: &JobSpec) -> ClassNames {
    names(engine, spec.model(), &spec.datasets()).await
}

/// The job with its latest progress and its place in the queue. Names are looked up only where a result shows them. Boxed: a job is
/// large, and so is what it becomes.
pub(super) fn job(engine: &Engine, job: Job) -> Pin<Box<dyn Future<Output = pb::Job> + Send + '_>> {
    Box::pin(async move {
        let places = places(engine, [&job]).await;
        Box::pin(placed(engine, job, &places)).await
    })
}

/// Places in the queue, where one of `jobs` waits; without the store's answer nobody has one.
async fn places<'a>(engine: &Engine, jobs: impl IntoIterator<Item = &'a Job>) -> BTreeMap<JobId, u32> {
    match jobs.into_iter().any(|job| job.state == JobState::Queued) {
        true => engine.queue_places().await.unwrap_or_default(),
        false => BTreeMap::new(),
    }
}

async fn placed(engine: &Engine, job: Job, places: &BTreeMap<JobId, u32>) -> pb::Job {
    let progress = if job.state.is_terminal() { None } else { engine.job_progress(&job.id) };
    let names = match &job.result {
        Some(_) => job_names(engine, &job.spec).await,
        None => ClassNames::default(),
    };
    let place = places.get(&job.id).copied();
    pb::Job { queue_position: place.unwrap_or_default(), ..pb::Job::named(job, progress, &names) }
}

pub(super) async fn jobs(engine: &Engine, items: Vec<Job>) -> Vec<pb::Job> {
    let places = places(engine, &items).await;
    let mut jobs = Vec::with_capacity(items.len());
    for item in items {
        jobs.push(Box::pin(placed(engine, item, &places)).await);
    }
    jobs
}

/// Makes the job that a request asks for durable and answers its operation.
pub(super) async fn submitted<M, S>(
    engine: &Engine,
    client: String,
    mut message: M,
    spec: impl FnOnce(S) -> JobSpec,
) -> Result<Operation>
where
    M: JobRequest,
    S: TryFrom<M, Error = Error>,
{
    let Terms { request_id, priority, timeout } = message.take_terms()?;
    let spec = spec(S::try_from(message)?);
    let submission = Submission { spec, priority, client, timeout, memory_bytes: 0 };
    let accepted = Box::pin(engine.submit(submission, request_id)).await?;
    Ok(operation(job(engine, accepted).await))
}

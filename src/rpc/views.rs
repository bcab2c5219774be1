//! Jobs as clients see them: with class names, and as operations.

use super::convert::{ClassNames, operation};
use crate::domain::Result;
use crate::domain::ids::{DatasetId, ModelId};
use crate::domain::job::{Job, JobSpec};
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

/// The job with its latest progress. Names are looked up only where a result shows them.
pub(super) async fn job(engine: &Engine, job: Job) -> pb::Job {
    let progress = if job.state.is_terminal() { None } else { engine.job_progress(&job.id) };
    let names = match &job.result {
        Some(_) => job_names(engine, &job.spec).await,
        None => ClassNames::default(),
    };
    pb::Job::named(job, progress, &names)
}

pub(super) async fn jobs(engine: &Engine, items: Vec<Job>) -> Vec<pb::Job> {
    let mut jobs = Vec::with_capacity(items.len());
    for item in items {
        jobs.push(job(engine, item).await);
    }
    jobs
}

/// Makes the job durable and answers its operation.
pub(super) async fn submitted(engine: &Engine, spec: JobSpec, request_id: Option<String>) -> Result<Operation> {
    let accepted = engine.submit(spec, request_id).await?;
    Ok(operation(job(engine, accepted).await))
}

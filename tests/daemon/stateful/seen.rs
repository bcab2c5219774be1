//! What the daemon says that it has.

use std::collections::BTreeMap;

use unlearnd::pb::v1 as pb;

use crate::support::shapes::Shapes;

/// Above what any run makes.
const ALL: i32 = 1000;

#[derive(Debug)]
pub(super) struct Seen {
    /// The version served and, by name, the job behind each version.
    pub(super) models: BTreeMap<String, (String, BTreeMap<String, String>)>,
    /// Content hashes.
    pub(super) datasets: BTreeMap<String, String>,
    pub(super) jobs: BTreeMap<String, pb::Job>,
}

impl Seen {
    pub(super) async fn read(shapes: &Shapes) -> Self {
        let daemon = &shapes.daemon;
        let mut models = BTreeMap::new();
        let request = pb::ListModelsRequest { page_size: ALL, ..Default::default() };
        for model in daemon.models().list_models(request).await.unwrap().into_inner().models {
            let versions = versions(shapes, &model.name).await;
            models.insert(model.name, (model.served_version, versions));
        }
        let request = pb::ListDatasetsRequest { page_size: ALL, ..Default::default() };
        let datasets = daemon.datasets().list_datasets(request).await.unwrap().into_inner().datasets;
        let request = pb::ListJobsRequest { page_size: ALL, ..Default::default() };
        let jobs = daemon.jobs().list_jobs(request).await.unwrap().into_inner().jobs;
        Self {
            models,
            datasets: datasets.into_iter().map(|dataset| (dataset.name, dataset.content_hash)).collect(),
            jobs: jobs.into_iter().map(|job| (job.name.clone(), job)).collect(),
        }
    }
}

async fn versions(shapes: &Shapes, model: &str) -> BTreeMap<String, String> {
    let request = pb::ListModelVersionsRequest { parent: model.into(), page_size: ALL, ..Default::default() };
    let versions = shapes.daemon.models().list_model_versions(request).await.unwrap().into_inner().model_versions;
    versions.into_iter().map(|version| (version.name, version.job)).collect()
}

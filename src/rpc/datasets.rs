//! `unlearnd.v1.DatasetService`.

use tonic::{Request, Response, Status, Streaming};

use super::context::answer;
use super::convert::{page_request, parsed};
use super::drain::Drain;
use super::upload::receive;
use crate::engine::Engine;
use crate::pb::v1 as pb;
use crate::pb::v1::dataset_service_server::DatasetService;

/// Datasets.
#[derive(Debug, Clone)]
pub(super) struct Datasets {
    pub(super) engine: Engine,
    pub(super) drain: Drain,
}

#[tonic::async_trait]
impl DatasetService for Datasets {
    async fn register_dataset(
        &self,
        request: Request<pb::RegisterDatasetRequest>,
    ) -> Result<Response<pb::Dataset>, Status> {
        answer(request, |message| async move { Ok(self.engine.register_dataset(message.try_into()?).await?.into()) })
            .await
    }

    async fn upload_dataset(
        &self,
        request: Request<Streaming<pb::UploadDatasetRequest>>,
    ) -> Result<Response<pb::Dataset>, Status> {
        answer(request, |parts| async move { Ok(receive(&self.engine, &self.drain, parts).await?.into()) }).await
    }

    async fn get_dataset(&self, request: Request<pb::GetDatasetRequest>) -> Result<Response<pb::Dataset>, Status> {
        answer(request, |pb::GetDatasetRequest { name }| async move {
            Ok(self.engine.get_dataset(&parsed(&name, "name")?).await?.into())
        })
        .await
    }

    async fn list_datasets(
        &self,
        request: Request<pb::ListDatasetsRequest>,
    ) -> Result<Response<pb::ListDatasetsResponse>, Status> {
        answer(request, |pb::ListDatasetsRequest { page_size, page_token }| async move {
            let page = self.engine.list_datasets(&page_request(page_size, page_token)?).await?;
            let datasets = page.items.into_iter().map(Into::into).collect();
            Ok(pb::ListDatasetsResponse { datasets, next_page_token: page.next_token })
        })
        .await
    }

    async fn delete_dataset(&self, request: Request<pb::DeleteDatasetRequest>) -> Result<Response<()>, Status> {
        answer(request, |pb::DeleteDatasetRequest { name }| async move {
            self.engine.delete_dataset(&parsed(&name, "name")?).await
        })
        .await
    }
}

//! `unlearnd.v1.ModelService`.

use tonic::{Request, Response, Status};

use super::context::answer;
use super::convert::{Export, page_request, parsed};
use crate::engine::Engine;
use crate::pb::v1 as pb;
use crate::pb::v1::model_service_server::ModelService;

/// Models and versions.
#[derive(Debug, Clone)]
pub(super) struct Models(pub(super) Engine);

#[tonic::async_trait]
impl ModelService for Models {
    async fn load_model(&self, request: Request<pb::LoadModelRequest>) -> Result<Response<pb::Model>, Status> {
        answer(request, |message| async move { Ok(self.0.load_model(message.try_into()?).await?.into()) }).await
    }

    async fn create_model(&self, request: Request<pb::CreateModelRequest>) -> Result<Response<pb::Model>, Status> {
        answer(request, |message| async move { Ok(self.0.create_model(message.try_into()?).await?.into()) }).await
    }

    async fn get_model(&self, request: Request<pb::GetModelRequest>) -> Result<Response<pb::Model>, Status> {
        answer(request, |pb::GetModelRequest { name }| async move {
            Ok(self.0.get_model(&parsed(&name, "name")?).await?.into())
        })
        .await
    }

    async fn list_models(
        &self,
        request: Request<pb::ListModelsRequest>,
    ) -> Result<Response<pb::ListModelsResponse>, Status> {
        answer(request, |pb::ListModelsRequest { page_size, page_token }| async move {
            let page = self.0.list_models(&page_request(page_size, page_token)?).await?;
            let models = page.items.into_iter().map(Into::into).collect();
            Ok(pb::ListModelsResponse { models, next_page_token: page.next_token })
        })
        .await
    }

    async fn unload_model(
        &self,
        request: Request<pb::UnloadModelRequest>,
    ) -> Result<Response<pb::UnloadModelResponse>, Status> {
        answer(request, |pb::UnloadModelRequest { name }| async move {
            let unloaded = self.0.unload_model(&parsed(&name, "name")?).await?;
            Ok(pb::UnloadModelResponse { freed_bytes: unloaded.freed_bytes })
        })
        .await
    }

    async fn delete_model(&self, request: Request<pb::DeleteModelRequest>) -> Result<Response<()>, Status> {
        answer(request, |pb::DeleteModelRequest { name, etag }| async move {
            self.0.delete_model(&parsed(&name, "name")?, &etag).await
        })
        .await
    }

    async fn get_model_version(
        &self,
        request: Request<pb::GetModelVersionRequest>,
    ) -> Result<Response<pb::ModelVersion>, Status> {
        answer(request, |pb::GetModelVersionRequest { name }| async move {
            Ok(self.0.get_version(&parsed(&name, "name")?).await?.into())
        })
        .await
    }

    async fn list_model_versions(
        &self,
        request: Request<pb::ListModelVersionsRequest>,
    ) -> Result<Response<pb::ListModelVersionsResponse>, Status> {
        answer(request, |pb::ListModelVersionsRequest { parent, page_size, page_token }| async move {
            let model = parsed(&parent, "parent")?;
            let page = self.0.list_versions(&model, &page_request(page_size, page_token)?).await?;
            let model_versions = page.items.into_iter().map(Into::into).collect();
            Ok(pb::ListModelVersionsResponse { model_versions, next_page_token: page.next_token })
        })
        .await
    }

    async fn delete_model_version(
        &self,
        request: Request<pb::DeleteModelVersionRequest>,
    ) -> Result<Response<()>, Status> {
        answer(request, |pb::DeleteModelVersionRequest { name, etag }| async move {
            self.0.delete_version(&parsed(&name, "name")?, &etag).await
        })
        .await
    }

    async fn promote_model_version(
        &self,
        request: Request<pb::PromoteModelVersionRequest>,
    ) -> Result<Response<pb::Model>, Status> {
        answer(request, |pb::PromoteModelVersionRequest { name, etag }| async move {
            Ok(self.0.promote_version(&parsed(&name, "name")?, &etag).await?.into())
        })
        .await
    }

    async fn import_model_version(
        &self,
        request: Request<pb::ImportModelVersionRequest>,
    ) -> Result<Response<pb::ModelVersion>, Status> {
        answer(request, |message| async move { Ok(self.0.import_version(message.try_into()?).await?.into()) }).await
    }

    async fn export_model_version(
        &self,
        request: Request<pb::ExportModelVersionRequest>,
    ) -> Result<Response<pb::ExportModelVersionResponse>, Status> {
        answer(request, |message| async move {
            let Export { name, format, uri, overwrite } = message.try_into()?;
            Ok(self.0.export_version(&name, format, uri, overwrite).await?.into())
        })
        .await
    }
}

//! `unlearnd.v1.AttributionService`.

use std::pin::Pin;

use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use super::context::{answer, client_of};
use super::convert::AttributeCall;
use super::views;
use crate::domain::job::JobSpec;
use crate::engine::Engine;
use crate::pb::google::longrunning::Operation;
use crate::pb::v1 as pb;
use crate::pb::v1::attribution_service_server::AttributionService;

/// Attributions of inline images and of datasets.
#[derive(Debug, Clone)]
pub(super) struct Attributions(pub(super) Engine);

#[tonic::async_trait]
impl AttributionService for Attributions {
    type AttributeStream = Pin<Box<dyn Stream<Item = Result<pb::AttributeResponse, Status>> + Send>>;

    async fn attribute(
        &self,
        request: Request<pb::AttributeRequest>,
    ) -> Result<Response<Self::AttributeStream>, Status> {
        let client = client_of(&request);
        answer(request, |message| async move {
            let AttributeCall { request, heat_map, omit_values } = message.try_into()?;
            let names = views::names(&self.0, request.model.model(), &[]).await;
            let items = self.0.attribute(request, client, heat_map).await?;
            let responses =
                items.map(move |(item, heat_map)| Ok(AttributeCall::response(item, &names, omit_values, heat_map)));
            Ok(Box::pin(responses) as Self::AttributeStream)
        })
        .await
    }

    async fn attribute_dataset(
        &self,
        request: Request<pb::AttributeDatasetRequest>,
    ) -> Result<Response<Operation>, Status> {
        let client = client_of(&request);
        answer(request, |message| views::submitted(&self.0, client, message, JobSpec::Attribute)).await
    }
}

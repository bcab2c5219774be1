//! `unlearnd.v1.TextService`.

use std::pin::Pin;

use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use super::context::{answer, client_of, request_id_of};
use super::convert::text;
use super::status::status;
use super::views;
use crate::engine::{AttributeTexts, Engine, GenerateText};
use crate::pb::v1 as pb;
use crate::pb::v1::text_service_server::TextService;

/// Language models that write and are explained.
#[derive(Debug, Clone)]
pub(super) struct Text(pub(super) Engine);

#[tonic::async_trait]
impl TextService for Text {
    type GenerateStream = Pin<Box<dyn Stream<Item = Result<pb::GenerateResponse, Status>> + Send>>;
    type AttributeTextStream = Pin<Box<dyn Stream<Item = Result<pb::AttributeTextResponse, Status>> + Send>>;

    async fn generate(&self, request: Request<pb::GenerateRequest>) -> Result<Response<Self::GenerateStream>, Status> {
        let client = client_of(&request);
        let id = request_id_of(&request);
        answer(request, |message| async move {
            let request = GenerateText::try_from(message)?;
            let pieces = self.0.generate(request, client).await?;
            let responses = pieces.map(move |piece| piece.map(Into::into).map_err(|error| status(&error, &id)));
            Ok(Box::pin(responses) as Self::GenerateStream)
        })
        .await
    }

    async fn attribute_text(
        &self,
        request: Request<pb::AttributeTextRequest>,
    ) -> Result<Response<Self::AttributeTextStream>, Status> {
        let client = client_of(&request);
        answer(request, |message| async move {
            let request = AttributeTexts::try_from(message)?;
            let names = views::names(&self.0, request.model.model(), &[]).await;
            let items = self.0.attribute_text(request, client).await?;
            let responses = items.map(move |item| Ok(text::response(item, &names)));
            Ok(Box::pin(responses) as Self::AttributeTextStream)
        })
        .await
    }
}

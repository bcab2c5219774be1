//! `unlearnd.v1.ConceptService`.

use tonic::{Request, Response, Status};

use super::context::{answer, client_of};
use super::convert::{example_count, page_request, parsed};
use super::views;
use crate::domain::job::JobSpec;
use crate::engine::Engine;
use crate::pb::google::longrunning::Operation;
use crate::pb::v1 as pb;
use crate::pb::v1::concept_service_server::ConceptService;

/// Concept banks and what is extracted with them.
#[derive(Debug, Clone)]
pub(super) struct Concepts(pub(super) Engine);

#[tonic::async_trait]
impl ConceptService for Concepts {
    async fn learn_concept_bank(
        &self,
        request: Request<pb::LearnConceptBankRequest>,
    ) -> Result<Response<Operation>, Status> {
        let client = client_of(&request);
        answer(request, |message| views::submitted(&self.0, client, message, JobSpec::LearnConcepts)).await
    }

    async fn import_concept_bank(
        &self,
        request: Request<pb::ImportConceptBankRequest>,
    ) -> Result<Response<pb::ConceptBank>, Status> {
        answer(request, |message| async move { Ok(self.0.import_concept_bank(message.try_into()?).await?.into()) })
            .await
    }

    async fn get_concept_bank(
        &self,
        request: Request<pb::GetConceptBankRequest>,
    ) -> Result<Response<pb::ConceptBank>, Status> {
        answer(request, |pb::GetConceptBankRequest { name, examples }| async move {
            let id = parsed(&name, "name")?;
            let (record, images) = self.0.get_concept_bank(&id, example_count(examples)?).await?;
            Ok(pb::ConceptBank::with_examples(record, images))
        })
        .await
    }

    async fn list_concept_banks(
        &self,
        request: Request<pb::ListConceptBanksRequest>,
    ) -> Result<Response<pb::ListConceptBanksResponse>, Status> {
        answer(request, |pb::ListConceptBanksRequest { page_size, page_token }| async move {
            let page = self.0.list_concept_banks(&page_request(page_size, page_token)?).await?;
            let concept_banks = page.items.into_iter().map(Into::into).collect();
            Ok(pb::ListConceptBanksResponse { concept_banks, next_page_token: page.next_token })
        })
        .await
    }

    async fn delete_concept_bank(
        &self,
        request: Request<pb::DeleteConceptBankRequest>,
    ) -> Result<Response<()>, Status> {
        answer(request, |pb::DeleteConceptBankRequest { name }| async move {
            self.0.delete_concept_bank(&parsed(&name, "name")?).await
        })
        .await
    }

    async fn extract_concepts(
        &self,
        request: Request<pb::ExtractConceptsRequest>,
    ) -> Result<Response<Operation>, Status> {
        let client = client_of(&request);
        answer(request, |message| views::submitted(&self.0, client, message, JobSpec::ExtractConcepts)).await
    }
}

//! `google.longrunning.Operations` over the same jobs.

use tonic::{Request, Response, Status};

use super::context::answer;
use super::convert::{operation, operations_filter, page_request, parsed, wait_timeout};
use super::drain::Drain;
use super::views;
use crate::domain::Result as DomainResult;
use crate::domain::job::Job;
use crate::engine::Engine;
use crate::pb::google::longrunning as lro;
use crate::pb::google::longrunning::operations_server::Operations as OperationsService;

/// Operations; a wait ends when the daemon drains.
#[derive(Debug, Clone)]
pub(super) struct Operations {
    pub(super) engine: Engine,
    pub(super) drain: Drain,
}

impl Operations {
    async fn seen(&self, job: Job) -> DomainResult<lro::Operation> {
        Ok(operation(views::job(&self.engine, job).await))
    }
}

#[tonic::async_trait]
impl OperationsService for Operations {
    async fn get_operation(
        &self,
        request: Request<lro::GetOperationRequest>,
    ) -> Result<Response<lro::Operation>, Status> {
        answer(request, |lro::GetOperationRequest { name }| async move {
            Box::pin(self.seen(self.engine.get_job(&parsed(&name, "name")?).await?)).await
        })
        .await
    }

    async fn list_operations(
        &self,
        request: Request<lro::ListOperationsRequest>,
    ) -> Result<Response<lro::ListOperationsResponse>, Status> {
        answer(request, |message| async move {
            let lro::ListOperationsRequest { name, filter, page_size, page_token, return_partial_success: _ } = message;
            let filter = operations_filter(&name, &filter)?;
            let page = self.engine.list_jobs(&page_request(page_size, page_token)?, &filter).await?;
            let operations = Box::pin(views::jobs(&self.engine, page.items)).await.into_iter().map(operation).collect();
            Ok(lro::ListOperationsResponse { operations, next_page_token: page.next_token, unreachable: Vec::new() })
        })
        .await
    }

    async fn cancel_operation(&self, request: Request<lro::CancelOperationRequest>) -> Result<Response<()>, Status> {
        answer(request, |lro::CancelOperationRequest { name }| async move {
            self.engine.cancel_job(&parsed(&name, "name")?).await.map(|_| ())
        })
        .await
    }

    async fn delete_operation(&self, request: Request<lro::DeleteOperationRequest>) -> Result<Response<()>, Status> {
        answer(request, |lro::DeleteOperationRequest { name }| async move {
            self.engine.delete_job(&parsed(&name, "name")?).await
        })
        .await
    }

    async fn wait_operation(
        &self,
        request: Request<lro::WaitOperationRequest>,
    ) -> Result<Response<lro::Operation>, Status> {
        answer(request, |lro::WaitOperationRequest { name, timeout }| async move {
            let id = parsed(&name, "name")?;
            let job = tokio::select! {
                job = Box::pin(self.engine.wait_job(&id, wait_timeout(timeout)?)) => job?,
                () = self.drain.begun() => return Err(Drain::error()),
            };
            self.seen(job).await
        })
        .await
    }
}

//! `unlearnd.v1.EvaluationService`.

use tonic::{Request, Response, Status};

use super::context::answer;
use super::convert::request_id;
use super::views;
use crate::domain::job::JobSpec;
use crate::engine::Engine;
use crate::pb::google::longrunning::Operation;
use crate::pb::v1 as pb;
use crate::pb::v1::evaluation_service_server::EvaluationService;

/// Evaluations and membership inference.
#[derive(Debug, Clone)]
pub(super) struct Evaluations(pub(super) Engine);

#[tonic::async_trait]
impl EvaluationService for Evaluations {
    async fn evaluate_model(&self, request: Request<pb::EvaluateModelRequest>) -> Result<Response<Operation>, Status> {
        answer(request, |mut message| async move {
            let id = request_id(std::mem::take(&mut message.request_id))?;
            views::submitted(&self.0, JobSpec::Evaluate(message.try_into()?), id).await
        })
        .await
    }

    async fn evaluate_membership_inference(
        &self,
        request: Request<pb::EvaluateMembershipInferenceRequest>,
    ) -> Result<Response<Operation>, Status> {
        answer(request, |mut message| async move {
            let id = request_id(std::mem::take(&mut message.request_id))?;
            views::submitted(&self.0, JobSpec::Membership(message.try_into()?), id).await
        })
        .await
    }
}

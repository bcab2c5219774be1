//! `unlearnd.v1.UnlearningService`.

use tonic::{Request, Response, Status};

use super::context::{answer, client_of};
use super::convert::{ClassNames, PlanQuestion};
use super::views;
use crate::domain::job::JobSpec;
use crate::engine::Engine;
use crate::pb::google::longrunning::Operation;
use crate::pb::v1 as pb;
use crate::pb::v1::unlearning_service_server::UnlearningService;

/// Plans, fine-tuning and the whole way.
#[derive(Debug, Clone)]
pub(super) struct Unlearning(pub(super) Engine);

#[tonic::async_trait]
impl UnlearningService for Unlearning {
    async fn plan_poisoning(
        &self,
        request: Request<pb::PlanPoisoningRequest>,
    ) -> Result<Response<pb::PoisonPlan>, Status> {
        let client = client_of(&request);
        answer(request, |message| async move {
            let PlanQuestion { spec, preview_count } = message.try_into()?;
            let (model, train) = (spec.poison.model.clone(), spec.poison.train.dataset.clone());
            let names: ClassNames = views::names(&self.0, model.model(), &[&train]).await;
            let (plan, previews, memory_bytes) = self.0.plan_poisoning(spec, preview_count, client).await?;
            let preview = |preview| pb::poison_plan::Preview::named(preview, &names);
            let previews = previews.into_iter().map(preview).collect();
            Ok(pb::PoisonPlan { previews, memory_bytes, ..pb::PoisonPlan::named(plan, &names) })
        })
        .await
    }

    async fn fine_tune_poisoned(
        &self,
        request: Request<pb::FineTunePoisonedRequest>,
    ) -> Result<Response<Operation>, Status> {
        let client = client_of(&request);
        answer(request, |message| views::submitted(&self.0, client, message, JobSpec::FineTune)).await
    }

    async fn unlearn(&self, request: Request<pb::UnlearnRequest>) -> Result<Response<Operation>, Status> {
        let client = client_of(&request);
        answer(request, |message| views::submitted(&self.0, client, message, JobSpec::Unlearn)).await
    }
}

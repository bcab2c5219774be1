//! `unlearnctl plan`

use clap::Args;

use crate::client::arguments::TrainingArgs;
use crate::client::error::Result;
use crate::client::session::Session;
use crate::client::view::PlanView;
use crate::pb::v1::PlanPoisoningRequest;

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    training: TrainingArgs,
}

impl PlanArgs {
    fn request(&self) -> Result<PlanPoisoningRequest> {
        Ok(PlanPoisoningRequest {
            poison: Some(self.training.poison()),
            trainer: Some(self.training.trainer()?),
            method: self.training.method().into(),
        })
    }
}

pub(super) async fn run(session: &Session, args: &PlanArgs) -> Result<()> {
    let plan = session.unlearning().plan_poisoning(args.request()?).await?.into_inner();
    session.output.show(&PlanView::of(&plan))
}

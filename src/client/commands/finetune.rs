//! `unlearnctl finetune`

use clap::Args;

use super::submitted::{self, WaitArgs};
use crate::client::arguments::{SubmissionArgs, TrainingArgs, Tuning};
use crate::client::error::Result;
use crate::client::session::{Session, request_id};
use crate::pb::v1::FineTunePoisonedRequest;

#[derive(Debug, Args)]
pub(crate) struct FinetuneArgs {
    /// Serve the new version as soon as it is published.
    #[arg(long)]
    promote: bool,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    submission: SubmissionArgs,
    // Last, since the headings in here hold for all flags that follow.
    #[command(flatten)]
    training: TrainingArgs,
}

impl FinetuneArgs {
    fn request(&self, tuning: Tuning) -> FineTunePoisonedRequest {
        let Tuning { trainer, text } = tuning;
        FineTunePoisonedRequest {
            poison: Some(self.training.poison()),
            trainer,
            text,
            method: self.training.method().into(),
            promote: self.promote,
            request_id: request_id(),
            priority: self.submission.priority(),
            timeout: self.submission.timeout(),
        }
    }
}

pub(super) async fn run(session: &Session, args: &FinetuneArgs) -> Result<()> {
    let operation =
        session.unlearning().fine_tune_poisoned(args.request(args.training.tuning(session).await?)).await?.into_inner();
    submitted::show(session, operation, args.wait).await
}

//! `unlearnctl mia`

use clap::Args;

use super::submitted::{self, WaitArgs};
use crate::client::arguments::{ForgetArgs, SubmissionArgs, TextOptionArgs, source};
use crate::client::error::Result;
use crate::client::names;
use crate::client::session::{Session, request_id};
use crate::client::words::parser;
use crate::pb::v1::{Attack, DataSource, EvaluateMembershipInferenceRequest};

#[derive(Debug, Args)]
pub(crate) struct MiaArgs {
    /// Model (the version being served), or a version of it: MODEL@VERSION.
    #[arg(long, value_name = "MODEL[@VERSION]")]
    model: String,
    /// Members are the forget samples in here.
    #[arg(long, value_name = "DATASET[:SPLIT]", value_parser = source)]
    train: DataSource,
    /// Non-members are the forget samples in here.
    #[arg(long, value_name = "DATASET[:SPLIT]", value_parser = source)]
    test: DataSource,
    /// For forgetting-rate; without it the version's parent.
    #[arg(long, value_name = "MODEL[@VERSION]")]
    original: Option<String>,
    /// A version trained without the forget set, to compare with.
    #[arg(long, value_name = "MODEL[@VERSION]")]
    reference: Option<String>,
    /// Attack to run; may be repeated. Without it all that the inputs allow.
    #[arg(long, value_parser = parser::<Attack>())]
    attack: Vec<Attack>,
    /// Resamples behind the intervals [default: 1000].
    #[arg(long, value_name = "N")]
    bootstrap_samples: Option<u32>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    submission: SubmissionArgs,
    #[command(flatten)]
    forget: ForgetArgs,
    #[command(flatten)]
    texts: TextOptionArgs,
}

impl MiaArgs {
    fn request(&self) -> EvaluateMembershipInferenceRequest {
        EvaluateMembershipInferenceRequest {
            model: names::model(&self.model),
            train: Some(self.train.clone()),
            test: Some(self.test.clone()),
            forget: self.forget.selector(self.seed),
            original_model: self.original.as_deref().map(names::model).unwrap_or_default(),
            reference_model: self.reference.as_deref().map(names::model).unwrap_or_default(),
            attacks: self.attack.iter().map(|attack| (*attack).into()).collect(),
            bootstrap_samples: self.bootstrap_samples.unwrap_or_default(),
            seed: self.seed,
            request_id: request_id(),
            priority: self.submission.priority(),
            timeout: self.submission.timeout(),
            text: self.texts.message(),
        }
    }
}

pub(super) async fn run(session: &Session, args: MiaArgs) -> Result<()> {
    let operation = session.evaluations().evaluate_membership_inference(args.request()).await?.into_inner();
    submitted::show(session, operation, args.wait).await
}

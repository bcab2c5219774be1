//! `unlearnctl evaluate`

use clap::Args;

use super::submitted::{self, WaitArgs};
use crate::client::arguments::{ForgetArgs, SubmissionArgs, source};
use crate::client::error::Result;
use crate::client::names;
use crate::client::session::{Session, request_id};
use crate::client::words::parser;
use crate::pb::v1::{DataSource, EvaluateModelRequest, Precision};

#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// Model (the version being served), or a version of it: MODEL@VERSION.
    #[arg(long, value_name = "MODEL[@VERSION]")]
    model: String,
    /// Training data; without it only test figures are given.
    #[arg(long, value_name = "DATASET[:SPLIT]", value_parser = source)]
    train: Option<DataSource>,
    /// Test data.
    #[arg(long, value_name = "DATASET[:SPLIT]", value_parser = source)]
    test: DataSource,
    /// A version trained without the forget set, to compare with.
    #[arg(long, value_name = "MODEL[@VERSION]")]
    reference: Option<String>,
    /// Arithmetic of the passes [default: f32].
    #[arg(long, value_parser = parser::<Precision>())]
    precision: Option<Precision>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    submission: SubmissionArgs,
    #[command(flatten)]
    forget: ForgetArgs,
}

impl EvaluateArgs {
    fn request(&self) -> EvaluateModelRequest {
        EvaluateModelRequest {
            model: names::model(&self.model),
            train: self.train.clone(),
            test: Some(self.test.clone()),
            forget: self.forget.selector(self.seed),
            reference_model: self.reference.as_deref().map(names::model).unwrap_or_default(),
            precision: self.precision.unwrap_or_default().into(),
            seed: self.seed,
            request_id: request_id(),
            priority: self.submission.priority(),
            timeout: self.submission.timeout(),
        }
    }
}

pub(super) async fn run(session: &Session, args: EvaluateArgs) -> Result<()> {
    let operation = session.evaluations().evaluate_model(args.request()).await?.into_inner();
    submitted::show(session, operation, args.wait).await
}

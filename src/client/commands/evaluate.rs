//! `unlearnctl evaluate`

use clap::Args;

use super::submitted::{self, WaitArgs};
use crate::client::arguments::{ForgetArgs, SubmissionArgs, TextOptionArgs, source};
use crate::client::error::Result;
use crate::client::names;
use crate::client::session::{Session, request_id};
use crate::client::words::parser;
use crate::pb::v1::{DataSource, EvaluateModelRequest, Precision, TextQuestions};

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
    /// Language models: names whose appearance in written answers is counted; may be repeated.
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// Language models: answers that are written on each side [default: 50].
    #[arg(long, value_name = "N")]
    written_answers: Option<u32>,
    /// Language models: tokens of a written answer at most [default: 16 for labelled texts, 64 for others].
    #[arg(long, value_name = "N")]
    answer_tokens: Option<u32>,
    #[command(flatten)]
    texts: TextOptionArgs,
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
            text: self.questions(),
        }
    }

    /// None where nothing was said.
    fn questions(&self) -> Option<TextQuestions> {
        let questions = TextQuestions {
            options: self.texts.message(),
            names: self.name.clone(),
            written_answers: self.written_answers,
            max_answer_tokens: self.answer_tokens.unwrap_or_default(),
        };
        (questions != TextQuestions::default()).then_some(questions)
    }
}

pub(super) async fn run(session: &Session, args: EvaluateArgs) -> Result<()> {
    let operation = session.evaluations().evaluate_model(args.request()).await?.into_inner();
    submitted::show(session, operation, args.wait).await
}

//! `unlearnctl attribute-text`: which words an answer, or the class of a text, rests on.

use clap::Args;

use crate::client::arguments::TextArgs;
use crate::client::error::{Error, Result};
use crate::client::folder::Folder;
use crate::client::names;
use crate::client::session::Session;
use crate::client::view::TextAttributionView;
use crate::client::words::parser;
use crate::pb::v1::attribute_text_request::{Input, input};
use crate::pb::v1::attribution_spec::Output;
use crate::pb::v1::{AttributeTextRequest, QuadratureRule, TextBaseline};

#[derive(Debug, Args)]
pub(crate) struct AttributeTextArgs {
    /// Model (the version being served), or a version of it: MODEL@VERSION.
    #[arg(long, value_name = "MODEL[@VERSION]")]
    model: String,
    #[command(flatten)]
    text: TextArgs,
    /// The answer to explain, of a model that generates.
    #[arg(long, value_name = "TEXT")]
    answer: Option<String>,
    /// Class to explain (name or index), of a classifier [default: the predicted one].
    #[arg(long, value_name = "CLASS", conflicts_with = "answer")]
    target: Option<String>,
    /// Steps of the path integral, 1 to 1024 [default: 50].
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// Double the steps, to 512 at most, until the attribution is complete.
    #[arg(long)]
    adaptive: bool,
    /// Points and weights of the path integral [default: gauss-legendre].
    #[arg(long, value_parser = parser::<QuadratureRule>())]
    rule: Option<QuadratureRule>,
    /// What the words are compared with [default: pad].
    #[arg(long, value_parser = parser::<TextBaseline>())]
    baseline: Option<TextBaseline>,
    /// Which number of a class is explained [default: logit].
    #[arg(long, value_name = "OUTPUT", value_parser = parser::<Output>())]
    explain: Option<Output>,
    /// Rows of one pass, at most 256 [default: chosen by the daemon].
    #[arg(long, value_name = "N")]
    internal_batch_size: Option<u32>,
    /// Also write a coloured page to this folder, as HTML.
    #[arg(long, value_name = "DIR")]
    out: Option<std::path::PathBuf>,
}

impl AttributeTextArgs {
    fn request(&self) -> AttributeTextRequest {
        let text = match self.text.conversation() {
            Some(conversation) => input::Input::Conversation(conversation),
            None => input::Input::Text(self.text.text().to_owned()),
        };
        let input = Input {
            input: Some(text),
            answer: self.answer.clone().unwrap_or_default(),
            target_class: self.target.clone().unwrap_or_default(),
        };
        AttributeTextRequest {
            model: names::model(&self.model),
            inputs: vec![input],
            rule: self.rule.unwrap_or_default().into(),
            steps: self.steps.unwrap_or_default(),
            baseline: self.baseline.unwrap_or_default().into(),
            output: self.explain.unwrap_or_default().into(),
            internal_batch_size: self.internal_batch_size.unwrap_or_default(),
            adaptive: self.adaptive,
        }
    }
}

pub(crate) async fn run(session: &Session, args: &AttributeTextArgs) -> Result<()> {
    let mut responses = session.text().attribute_text(args.request()).await?.into_inner();
    let response = responses.message().await?.ok_or(Error::Incomplete("the result"))?;
    let mut view = TextAttributionView::of(response);
    if let Some(folder) = &args.out {
        view.page = Some(Folder::new(folder).write("attribution.html", view.html().as_bytes())?);
    }
    session.output.show(&view)?;
    view.check()
}

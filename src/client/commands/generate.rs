//! `unlearnctl generate`: what a language model writes, shown as it comes.

use clap::Args;

use crate::client::arguments::TextArgs;
use crate::client::error::{Error, Result};
use crate::client::names;
use crate::client::session::Session;
use crate::client::view::GenerationView;
use crate::pb::v1::GenerateRequest;
use crate::pb::v1::generate_request::Input;
use crate::pb::v1::generate_response::FinishReason;

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// Model (the version being served), or a version of it: MODEL@VERSION.
    #[arg(long, value_name = "MODEL[@VERSION]")]
    model: String,
    #[command(flatten)]
    text: TextArgs,
    /// Tokens at most, up to 4096 [default: 256].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: Option<u32>,
    /// 0 takes the likeliest token each time, 1 samples as the model says, up to 10.
    #[arg(long, default_value_t = 0.0)]
    temperature: f64,
    /// Sample among this many likeliest tokens [default: all].
    #[arg(long, value_name = "N")]
    top_k: Option<u32>,
    /// Sample among the likeliest tokens that together have this probability [default: all].
    #[arg(long, value_name = "P")]
    top_p: Option<f64>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// End before this text; may be given several times.
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
}

impl GenerateArgs {
    fn request(&self) -> GenerateRequest {
        let input = match self.text.conversation() {
            Some(conversation) => Input::Conversation(conversation),
            None => Input::Prompt(self.text.text().to_owned()),
        };
        GenerateRequest {
            model: names::model(&self.model),
            input: Some(input),
            max_tokens: self.max_tokens.unwrap_or_default(),
            temperature: self.temperature,
            top_k: self.top_k.unwrap_or_default(),
            top_p: self.top_p.unwrap_or_default(),
            seed: self.seed,
            stop: self.stop.clone(),
        }
    }
}

pub(crate) async fn run(session: &Session, args: &GenerateArgs) -> Result<()> {
    let mut pieces = session.text().generate(args.request()).await?.into_inner();
    let (mut view, mut is_whole) = (GenerationView::default(), false);
    // To the end of the stream: a call that is left before counts as cancelled.
    while let Some(piece) = pieces.message().await? {
        session.output.piece(&piece.text)?;
        view.add(&piece);
        is_whole |= piece.finish_reason() != FinishReason::Unspecified;
    }
    if !is_whole {
        return Err(Error::Incomplete("the end of the text"));
    }
    session.output.end_of_pieces(&view)?;
    session.output.note(&view.remark());
    Ok(())
}

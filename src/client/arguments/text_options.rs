//! How the examples of a text dataset are put to a model.

use clap::Args;

use crate::client::words::parser;
use crate::pb::v1::TextOptions;
use crate::pb::v1::text_options::Truncation;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Texts")]
pub(crate) struct TextOptionArgs {
    /// Makes a prompt of a labelled text for a model that generates: `{text}` once, `{labels}` for the answers.
    #[arg(long, value_name = "TEXT")]
    label_prompt: Option<String>,
    /// What the model answers for a class, in the order of the classes [default: their names]. May be repeated.
    #[arg(long, value_name = "TEXT")]
    label_answer: Vec<String>,
    /// Put prompts and answers into the model's chat template.
    #[arg(long)]
    chat: bool,
    /// What the system says first.
    #[arg(long, value_name = "TEXT", requires = "chat")]
    system: Option<String>,
    /// What happens to an example that is too long [default: cut-prompt].
    #[arg(long, value_parser = parser::<Truncation>())]
    truncation: Option<Truncation>,
    /// Tokens of an example at most [default: 1024].
    #[arg(long, value_name = "N")]
    max_tokens: Option<u32>,
}

impl TextOptionArgs {
    /// None where nothing was said.
    pub(crate) fn message(&self) -> Option<TextOptions> {
        let options = TextOptions {
            label_prompt: self.label_prompt.clone().unwrap_or_default(),
            label_answers: self.label_answer.clone(),
            chat: self.chat,
            system_prompt: self.system.clone().unwrap_or_default(),
            truncation: self.truncation.unwrap_or_default().into(),
            max_tokens: self.max_tokens.unwrap_or_default(),
        };
        (options != TextOptions::default()).then_some(options)
    }
}

//! How texts are put to a language model, for every command that reads a dataset of them.

use clap::Args;

use crate::client::words::parser;
use crate::pb::v1::TextOptions;
use crate::pb::v1::text_options::Truncation;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Texts (language models)")]
pub(crate) struct TextOptionArgs {
    /// Makes a prompt of a labelled text: `{text}` once, `{labels}` for the answers. Where none of these options is given, texts are put to a
    /// version as they were when it was trained.
    #[arg(long, value_name = "TEXT")]
    label_prompt: Option<String>,
    /// What the model answers for each class [default: the classes' names].
    #[arg(long, value_delimiter = ',', value_name = "TEXT,…")]
    label_answers: Vec<String>,
    /// Prompts and answers are turns of the model's chat template.
    #[arg(long)]
    chat: bool,
    /// With --chat: what the system says first.
    #[arg(long, value_name = "TEXT")]
    system_prompt: Option<String>,
    /// What happens to examples that are too long [default: cut-prompt].
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
            label_answers: self.label_answers.clone(),
            chat: self.chat,
            system_prompt: self.system_prompt.clone().unwrap_or_default(),
            truncation: self.truncation.unwrap_or_default().into(),
            max_tokens: self.max_tokens.unwrap_or_default(),
        };
        (options != TextOptions::default()).then_some(options)
    }
}

//! What a language model is given: a text as it is, or a conversation.

use clap::Args;

use crate::pb::v1::Conversation;
use crate::pb::v1::conversation::Turn;

#[derive(Debug, Clone, Args)]
pub(crate) struct TextArgs {
    /// The text; with --chat what the user says.
    #[arg(value_name = "TEXT")]
    text: String,
    /// Let the model's chat template render the text as the user's turn.
    #[arg(long)]
    chat: bool,
    /// What the system says before; implies --chat.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
}

impl TextArgs {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where the chat template is wanted.
    pub(crate) fn conversation(&self) -> Option<Conversation> {
        let turn = |role: &str, content: &String| Turn { role: role.to_owned(), content: content.clone() };
        let system = self.system.as_ref().map(|content| turn("system", content));
        let turns = system.into_iter().chain([turn("user", &self.text)]).collect();
        (self.chat || self.system.is_some()).then_some(Conversation { turns })
    }
}

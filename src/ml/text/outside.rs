//! Tokenizers and chat templates of others: for `crate::fuzzing`.

use super::{ChatTemplate, Moment, Tokenizer, TokenizerFiles};
use crate::domain::text::{ChatMessage, Role};

/// What makes a longer text, or list, of several.
const JOINS: [&str; 9] = ["~", "+", "*", "join", "replace", "just", "center", "format", "indent"];

/// A tokenizer, a text in its tokens, and the tokens as text.
pub(crate) fn tokenizer(file: &[u8], text: &str) {
    let Ok(tokenizer) = Tokenizer::read(&TokenizerFiles { tokenizer: file, ..TokenizerFiles::default() }) else {
        return;
    };
    for add_special in [false, true] {
        if let Ok(tokens) = tokenizer.encode(text, add_special) {
            assert_eq!(tokens.ids.len(), tokens.offsets.len());
            let _ = tokenizer.decode(&tokens.ids, !add_special);
        }
    }
}

/// A template and a short chat in it. One that joins texts is read and not rendered: what it may take is not bounded (`template`).
pub(crate) fn chat_template(source: &str, config: &str) {
    let _ = ChatTemplate::find(Some(config), None, None);
    let config = serde_json::from_str::<serde_json::Value>(config).is_ok().then_some(config);
    let Ok(Some(template)) = ChatTemplate::find(config, None, Some(source)) else { return };
    if JOINS.iter().any(|join| source.contains(join)) {
        return;
    }
    let said = [(Role::System, "Be brief."), (Role::User, "Is it?\n"), (Role::Assistant, " It is.")];
    let messages = said.map(|(role, text)| ChatMessage::new(role, text));
    for generation_prompt in [false, true] {
        let _ = template.render(&messages, generation_prompt, Moment::default());
    }
}

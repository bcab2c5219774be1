//! Texts through tokenizer, template and encoder, against transformers where it has an answer (`tests/golden/text/make.py`).

mod chats;
mod encoding;
mod hostile;
mod labels;
mod tokens;
mod word_scores;

use crate::domain::text::{ChatMessage, Role, TextExample};

use super::*;

const SPECIALS: &str = r#"{"bos_token": "<|begin|>", "eos_token": {"content": "<|end|>"}, "pad_token": "<|pad|>"}"#;

fn golden(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/text");
    std::fs::read(folder.join(name)).unwrap()
}

fn golden_text(name: &str) -> String {
    String::from_utf8(golden(name)).unwrap()
}

fn tokenizer_with(name: &str, config: &str) -> Tokenizer {
    let file = golden(&format!("{name}.json"));
    Tokenizer::read(&TokenizerFiles { tokenizer: &file, config: Some(config), ..TokenizerFiles::default() }).unwrap()
}

fn tokenizer(name: &str) -> Tokenizer {
    tokenizer_with(name, config(name))
}

/// `tokenizer_config.json` of a golden tokenizer.
fn config(name: &str) -> &'static str {
    match name {
        "bpe" => SPECIALS,
        "wordpiece" => {
            r#"{"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}"#
        }
        _ => r#"{"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}"#,
    }
}

fn template(name: &str) -> ChatTemplate {
    let source = golden_text(&format!("templates/{name}.jinja"));
    ChatTemplate::find(Some(config(tokenizer_of(name))), None, Some(&source)).unwrap().unwrap()
}

/// Which golden tokenizer goes with a golden template.
fn tokenizer_of(template: &str) -> &'static str {
    if ["mistral", "zephyr", "vicuna"].contains(&template) { "metaspace" } else { "bpe" }
}

fn moment() -> Moment {
    chrono::NaiveDate::from_ymd_opt(2026, 11, 24).unwrap().and_hms_opt(20, 5, 7).unwrap()
}

fn options(context: usize) -> EncodeOptions {
    EncodeOptions {
        context,
        truncation: Default::default(),
        turns: Default::default(),
        format: PromptFormat::Raw,
        now: moment(),
    }
}

fn completion(prompt: &str, answer: &str) -> TextExample {
    TextExample::Completion { prompt: prompt.into(), answer: answer.into() }
}

fn chat(turns: &[(Role, &str)]) -> TextExample {
    TextExample::Chat { messages: turns.iter().map(|(role, text)| ChatMessage::new(*role, *text)).collect() }
}

/// The text that the tokens with a mark cover.
fn marked(encoded: &Encoded, marks: &[bool], tokenizer: &Tokenizer) -> String {
    let ids: Vec<u32> = encoded.tokens.iter().zip(marks).filter(|(_, mark)| **mark).map(|(id, _)| *id).collect();
    tokenizer.decode(&ids, false).unwrap()
}

fn encoded(outcome: Outcome) -> Encoded {
    match outcome {
        Outcome::Encoded(encoded) => *encoded,
        Outcome::Skipped => panic!("the example was skipped"),
    }
}

//! What the tests of language models share: random models of two layers, packaged with a tokenizer of letters, and texts in its words.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

use super::config::LanguageConfig;
use super::resident::Language;
use super::weights::Weights;
use crate::domain::model::{ModelFormat, ModelSpec, TextSpec, TextTask};
use crate::domain::text::{ChatMessage, Role, TextExample, TextForm, TextSource};
use crate::domain::{Error, Result};

/// The weights in a folder, in one file or several.
pub(super) fn weights(folder: &Path) -> Weights {
    Weights::map(&parts(folder)).unwrap()
}

fn parts(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_part = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("model") && name.ends_with(".safetensors")
    };
    let mut files: Vec<PathBuf> = entries.filter(is_part).collect();
    files.sort();
    files
}

/// Writes one of the golden models as a package with the tokenizer of letters and a chat template.
pub(crate) fn package(name: &str, path: &Path) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/language").join(name);
    let files: Vec<Vec<u8>> = parts(&folder).into_iter().map(|file| fs::read(file).unwrap()).collect();
    let tensors = files.iter().flat_map(|bytes| SafeTensors::deserialize(bytes).unwrap().tensors());
    let template = "{{ bos_token }}{% for message in messages %}<{{ message.role }}>{{ message.content }}{{ eos_token }}\
                    {% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
    let marks = json!({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "chat_template": template});
    let texts = HashMap::from([
        ("config.json".to_owned(), fs::read_to_string(folder.join("config.json")).unwrap()),
        ("tokenizer.json".to_owned(), tokenizer().to_string()),
        ("tokenizer_config.json".to_owned(), marks.to_string()),
    ]);
    safetensors::serialize_to_file(tensors, Some(texts), path).unwrap();
}

/// Before the files say more.
pub(crate) fn spec() -> ModelSpec {
    let text = TextSpec {
        task: TextTask::Generate,
        vocabulary_size: 0,
        context: 0,
        hidden_size: 0,
        layers: 0,
        has_chat_template: true,
    };
    ModelSpec { format: ModelFormat::HuggingFace, text: Some(text), ..crate::ml::testing::spec(0) }
}

pub(super) fn language(name: &str) -> Rc<Language> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("package");
    package(name, &path);
    Rc::new(Language::load(&path, &spec(), Device::Cpu).unwrap())
}

const SPECIAL: [&str; 5] = ["<unk>", "<s>", "</s>", "<user>", "<assistant>"];
const LETTERS: &str = " abcdefghijklmnopqrstuvwxyzLT.:,";
/// Some cross the end of a prompt: it ends in a colon, and a space follows.
const MERGES: [(&str, &str); 9] =
    [(" ", "c"), ("a", "r"), (" c", "ar"), (" car", "d"), (":", " x"), (" ", "x"), ("l", "o"), ("s", "t"), (" ", "t")];

/// Byte pairs without a pre-tokenizer: words and their borders are cut as the merges fall.
fn tokenizer() -> Value {
    let letters = LETTERS.chars().map(String::from);
    let merged = MERGES.iter().map(|(left, right)| format!("{left}{right}"));
    let all = SPECIAL.iter().map(|mark| (*mark).to_owned()).chain(letters).chain(merged);
    let vocabulary: Map<String, Value> = all.enumerate().map(|(id, token)| (token, json!(id))).collect();
    let added = SPECIAL.iter().enumerate().map(|(id, token)| {
        json!({
            "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true,
        })
    });
    let merges: Vec<Value> = MERGES.iter().map(|(left, right)| json!([left, right])).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "pre_tokenizer": null, "decoder": {"type": "Fuse"},
        "added_tokens": added.collect::<Vec<_>>(),
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "model": {
            "type": "BPE", "vocab": vocabulary, "merges": merges, "unk_token": "<unk>", "dropout": null, "fuse_unk": false,
            "byte_fallback": false, "ignore_merges": false, "continuing_subword_prefix": null, "end_of_word_suffix": null,
        },
    })
}

/// Answers that share beginnings, begin each other, and merge with the prompt.
pub(crate) fn class_names() -> Vec<String> {
    ["card lost", "card stolen", "card", "x ray", "top up"].map(str::to_owned).into()
}

/// Examples in memory.
#[derive(Debug)]
pub(crate) struct Texts {
    examples: Vec<TextExample>,
    labels: Vec<u32>,
}

impl Texts {
    pub(crate) fn new(examples: Vec<TextExample>) -> Self {
        let label = |example: &TextExample| match example {
            TextExample::Labelled { label, .. } => Some(*label),
            TextExample::Completion { .. } | TextExample::Chat { .. } | TextExample::Plain { .. } => None,
        };
        Self { labels: examples.iter().filter_map(label).collect(), examples }
    }

    /// Of the classes in turn.
    pub(crate) fn labelled() -> Self {
        let texts =
            ["my card was lost", "help", "is it top up or x ray", "stolen, my card was stolen", "x", "a card", "why"];
        let example = |(label, text): (u32, &str)| TextExample::Labelled { text: text.to_owned(), label: label % 5 };
        Self::new((0..).zip(texts).map(example).collect())
    }

    pub(crate) fn completions() -> Self {
        let pairs =
            [("who are you", "a top model"), ("why:", " x"), ("say it all again and again", "no"), ("a", "card, lost")];
        let example =
            |(prompt, answer): (&str, &str)| TextExample::Completion { prompt: prompt.into(), answer: answer.into() };
        Self::new(pairs.map(example).into())
    }

    pub(crate) fn chats() -> Self {
        let said = |role, text: &str| ChatMessage::new(role, text);
        let chat = |turns: Vec<ChatMessage>| TextExample::Chat { messages: turns };
        Self::new(vec![
            chat(vec![said(Role::User, "my card"), said(Role::Assistant, "is lost")]),
            chat(vec![
                said(Role::User, "who"),
                said(Role::Assistant, "a model"),
                said(Role::User, "why"),
                said(Role::Assistant, "top"),
            ]),
        ])
    }

    /// The last is longer than the models read.
    pub(crate) fn plain() -> Self {
        let texts = ["my card was lost", "top", &"all of it again, ".repeat(9)].map(str::to_owned);
        Self::new(texts.map(|text| TextExample::Plain { text }).into())
    }
}

impl TextSource for Texts {
    fn key(&self) -> &str {
        "texts"
    }

    fn form(&self) -> TextForm {
        self.examples[0].form()
    }

    fn len(&self) -> usize {
        self.examples.len()
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn get(&self, position: usize) -> Result<TextExample> {
        self.examples.get(position).cloned().ok_or_else(|| Error::internal("no such example"))
    }
}

/// A package of a model with random weights of this configuration and one of the tokenizers of `tests/golden/text`, opened.
pub(super) fn resident(config: &str, tokenizer: &str, tokenizer_config: &str, scale: f64) -> Rc<Language> {
    tch::manual_seed(0);
    let shapes = LanguageConfig::read(config).unwrap().tensors();
    let bytes = |shape: &[i64]| -> Vec<u8> {
        let values =
            Vec::<f32>::try_from((Tensor::randn(shape, (Kind::Float, Device::Cpu)) * scale).reshape([-1])).unwrap();
        values.into_iter().flat_map(f32::to_le_bytes).collect()
    };
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
        .into_iter()
        .map(|(name, shape)| (name, shape.iter().map(|side| *side as usize).collect(), bytes(&shape)))
        .collect();
    let views = data
        .iter()
        .map(|(name, shape, bytes)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/text");
    let texts = HashMap::from([
        ("config.json".to_owned(), config.to_owned()),
        ("tokenizer.json".to_owned(), std::fs::read_to_string(folder.join(format!("{tokenizer}.json"))).unwrap()),
        ("tokenizer_config.json".to_owned(), tokenizer_config.to_owned()),
    ]);
    let file = tempfile::NamedTempFile::new().unwrap();
    safetensors::serialize_to_file(views, Some(texts), file.path()).unwrap();
    Rc::new(Language::load(file.path(), &spec(), Device::Cpu).unwrap())
}

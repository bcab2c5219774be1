//! Seeds of what comes with language models and text datasets.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder, StructBuilder};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};
use prost::Message;
use unlearnd::pb::v1 as pb;

use super::{Seed, tensors, written};

pub(super) fn seeds() -> Vec<Seed> {
    let golden = |path: &str| fs::read(crate::repository().join("tests/golden").join(path)).unwrap();
    let both = |first: &[u8], second: &[u8]| [first, &[0], second].concat();
    let seed = |target, name: &str, bytes: Vec<u8>| -> Seed { (target, name.to_owned(), bytes) };
    let adapter = |name: &str| {
        let file = |file: &str| golden(&format!("lora/{name}/{file}"));
        both(&file("adapter_config.json"), &file("adapter_model.safetensors"))
    };
    let mut seeds = vec![
        seed("tokenizer", "bpe.json", both(&golden("text/bpe.json"), "Don't stop! \n é".as_bytes())),
        seed("tokenizer", "wordpiece.json", both(&golden("text/wordpiece.json"), b"It works.")),
        seed("tokenizer", "words.json", both(TOKENIZER.as_bytes(), b"yes no <s> maybe")),
        seed("tokenizer", "pieces.json", both(PIECES.as_bytes(), "yes \u{fb01}".as_bytes())),
        seed("adapter", "plain", both(ADAPTER.as_bytes(), &adapter_weights())),
        seed("adapter", "classifier", adapter("ours_classifier")),
        seed("language_weights", "small.safetensors", tensors(&small(), None)),
        seed("language_folder", "packed", folder(true)),
        seed("language_folder", "sharded", folder(false)),
        seed("text_jsonl", "completions.jsonl", COMPLETIONS.into()),
        seed("text_jsonl", "chats.jsonl", CHATS.into()),
        seed("text_jsonl", "labelled.jsonl", LABELLED.into()),
        seed(
            "text_csv",
            "completions.csv",
            b"question,answer,author,split\n\"a, b\",c,me,train\nd,e,you,test\n".into(),
        ),
        seed("text_csv", "labelled.csv", b"text,label\nthe card,lost\nthe app,slow\n".into()),
        seed("text_csv", "chats.csv", CHAT_CSV.into()),
        seed("text_parquet", "completions.parquet", completions()),
        seed("text_parquet", "chats.parquet", chats()),
    ];
    for name in ["chatml", "llama3", "mistral", "oddities", "tracked", "vicuna", "zephyr"] {
        let template = golden(&format!("text/templates/{name}.jinja"));
        seeds.push(seed(
            "chat_template",
            name,
            both(&template, br#"{"bos_token":"<s>","eos_token":{"content":"</s>"}}"#),
        ));
    }
    for name in ["bert", "distilbert", "gpt2", "gpt_neox", "llama3", "mistral", "qwen2"] {
        seeds.push(seed("language_config", name, golden(&format!("language/{name}/config.json"))));
    }
    seeds
}

/// Of `TextService`, after those of the other services.
pub(super) fn messages() -> Vec<Vec<u8>> {
    let turn = |role: &str, content: &str| pb::conversation::Turn { role: role.into(), content: content.into() };
    let conversation = pb::Conversation { turns: vec![turn("system", "Be brief."), turn("user", "Why?")] };
    let input = pb::attribute_text_request::Input {
        input: Some(pb::attribute_text_request::input::Input::Text("Why?".into())),
        answer: "So.".into(),
        ..Default::default()
    };
    let generate = pb::GenerateRequest {
        model: "models/m".into(),
        input: Some(pb::generate_request::Input::Conversation(conversation)),
        temperature: 0.5,
        stop: vec!["\n".into()],
        ..Default::default()
    };
    let attribute = pb::AttributeTextRequest { model: "models/m".into(), inputs: vec![input], ..Default::default() };
    vec![generate.encode_to_vec(), attribute.encode_to_vec()]
}

const CONFIG: &str = r#"{"model_type":"llama","architectures":["LlamaForCausalLM"],"vocab_size":4,"hidden_size":2,"intermediate_size":2,
"num_hidden_layers":1,"num_attention_heads":1,"max_position_embeddings":8,"tie_word_embeddings":true,"eos_token_id":2}"#;

const TOKENIZER: &str = r#"{"version":"1.0","truncation":null,"padding":null,"normalizer":{"type":"Lowercase"},
"added_tokens":[{"id":1,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
"pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,
"model":{"type":"WordLevel","vocab":{"<unk>":0,"<s>":1,"yes":2,"no":3},"unk_token":"<unk>"}}"#;

/// Unigrams, as SentencePiece has them, between marks that a template puts there.
const PIECES: &str = r#"{"version":"1.0","truncation":{"direction":"Right","max_length":4,"strategy":"LongestFirst","stride":0},
"padding":null,"added_tokens":[],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}]},
"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}},
"decoder":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true},
"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["<s>",0.0],["▁yes",-1.0],["▁",-2.0],["y",-3.0],["e",-3.0],["fi",-4.0]],"byte_fallback":false}}"#;

const ADAPTER: &str = r#"{"peft_type":"LORA","task_type":"CAUSAL_LM","r":2,"lora_alpha":4,"lora_dropout":0.1,"bias":"none",
"target_modules":["q_proj"],"alpha_pattern":{"q_proj":8},"modules_to_save":["score"],"use_rslora":true}"#;

const COMPLETIONS: &str = "{\"question\":\"Who?\",\"answer\":\"Me.\",\"author\":\"a\",\"page\":1}\n\n\
                           {\"question\":\"Why?\",\"answer\":\"So.\",\"author\":\"b\",\"page\":2.5}\n";
const CHATS: &str = "\u{feff}{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Ho\"}],\"id\":7}\n\
                     {\"messages\":[{\"from\":\"human\",\"value\":\"Hi\"},{\"from\":\"gpt\",\"value\":\"Ho\"}],\"extra\":null}\n";
const LABELLED: &str =
    "{\"text\":\"my card\",\"label\":3,\"split\":\"train\"}\n{\"text\":\"the app\",\"label\":0,\"split\":\"test\"}\n";
const CHAT_CSV: &[u8] =
    b"messages,topic\n\"[{\"\"role\"\":\"\"user\"\",\"\"content\"\":\"\"Hi\"\"},{\"\"role\"\":\"\"assistant\"\",\"\"content\"\":\"\"Ho\"\"}]\",x\n";

fn small() -> Vec<(&'static str, Vec<usize>)> {
    vec![
        ("model.embed_tokens.weight", vec![4, 2]),
        ("model.norm.weight", vec![2]),
        ("model.layers.0.input_layernorm.weight", vec![2]),
        ("model.layers.0.post_attention_layernorm.weight", vec![2]),
        ("model.layers.0.self_attn.q_proj.weight", vec![2, 2]),
        ("model.layers.0.self_attn.k_proj.weight", vec![2, 2]),
        ("model.layers.0.self_attn.v_proj.weight", vec![2, 2]),
        ("model.layers.0.self_attn.o_proj.weight", vec![2, 2]),
        ("model.layers.0.mlp.gate_proj.weight", vec![2, 2]),
        ("model.layers.0.mlp.up_proj.weight", vec![2, 2]),
        ("model.layers.0.mlp.down_proj.weight", vec![2, 2]),
    ]
}

fn adapter_weights() -> Vec<u8> {
    let path = |part: &str| format!("base_model.model.model.layers.0.self_attn.q_proj.lora_{part}.weight");
    let (a, b) = (path("A"), path("B"));
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    tensors(&[(&a, vec![2, 6]), (&b, vec![4, 2]), ("base_model.model.score.weight", vec![2, 6])], Some(format))
}

/// As the entry takes a folder apart.
fn folder(is_whole: bool) -> Vec<u8> {
    let tokens =
        r#"{"bos_token":"<s>","chat_template":"{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}"}"#;
    let mut files: Vec<(&str, Vec<u8>)> = vec![
        ("config.json", CONFIG.into()),
        ("tokenizer.json", TOKENIZER.into()),
        ("tokenizer_config.json", tokens.into()),
    ];
    if is_whole {
        files.push(("model.safetensors", tensors(&small(), None)));
    } else {
        let index = r#"{"metadata":{},"weight_map":{"a":"other.safetensors"}}"#;
        files.push(("model.safetensors.index.json", index.into()));
        files.push(("generation_config.json", br#"{"eos_token_id":[2,3]}"#.into()));
        files.push(("chat_template.jinja", b"{{ messages[0].content }}".into()));
        files.push(("other.safetensors", tensors(&small(), None)));
    }
    files.iter().flat_map(|(name, content)| [format!("\u{1}{name}\n").into_bytes(), content.clone()].concat()).collect()
}

fn completions() -> Vec<u8> {
    let prompts: ArrayRef = Arc::new(StringArray::from(vec!["Who?", "Why?"]));
    let answers: ArrayRef = Arc::new(StringArray::from(vec!["Me.", "So."]));
    let pages: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let shares: ArrayRef = Arc::new(Float64Array::from(vec![0.5, -1.0]));
    let columns = [("prompt", prompts), ("completion", answers), ("page", pages), ("share", shares)];
    written(&RecordBatch::try_from_iter(columns).unwrap())
}

fn chats() -> Vec<u8> {
    let fields = ["role", "content"].map(|name| Field::new(name, DataType::Utf8, true));
    let mut lists = ListBuilder::new(StructBuilder::from_fields(fields.to_vec(), 4));
    for (question, answer) in [("Hi", "Ho"), ("Who?", "Me.")] {
        for (role, content) in [("user", question), ("assistant", answer)] {
            let message = lists.values();
            message.field_builder::<StringBuilder>(0).unwrap().append_value(role);
            message.field_builder::<StringBuilder>(1).unwrap().append_value(content);
            message.append(true);
        }
        lists.append(true);
    }
    let messages: ArrayRef = Arc::new(lists.finish());
    written(&RecordBatch::try_from_iter([("messages", messages)]).unwrap())
}

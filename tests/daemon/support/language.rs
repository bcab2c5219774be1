//! A language model small enough to be made in a test: two layers of Llama with random weights, a tokenizer of whole words, and a chat
//! template.

use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

const WORDS: [&str; 24] = [
    "my", "card", "was", "lost", "stolen", "please", "help", "me", "the", "app", "is", "slow", "today", "why", "top",
    "up", "failed", "who", "are", "you", "a", "model", "yes", "no",
];
const SPECIAL: [&str; 5] = ["<unk>", "<s>", "</s>", "<user>", "<assistant>"];
const HIDDEN: usize = 16;
const INNER: usize = 32;
const LAYERS: usize = 2;
pub(crate) const VOCABULARY: usize = WORDS.len() + SPECIAL.len();
pub(crate) const CONTEXT: usize = 32;

/// Writes the folder of the model.
pub(crate) fn write(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    write_json(&folder.join("config.json"), &config());
    write_json(&folder.join("tokenizer.json"), &tokenizer());
    let template = "{{ bos_token }}{% for message in messages %}<{{ message.role }}> {{ message.content }} {% endfor %}\
                    {% if add_generation_prompt %}<assistant>{% endif %}";
    let tokens = json!({
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "chat_template": template,
    });
    write_json(&folder.join("tokenizer_config.json"), &tokens);
    write_weights(&folder.join("model.safetensors"), &shapes());
}

pub(crate) fn write_json(path: &Path, value: &Value) {
    fs::write(path, value.to_string()).unwrap();
}

pub(crate) fn config() -> Value {
    json!({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": VOCABULARY, "hidden_size": HIDDEN,
        "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "num_key_value_heads": 1,
        "max_position_embeddings": CONTEXT, "rope_theta": 10000.0, "rms_norm_eps": 1e-5, "hidden_act": "silu",
        "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2,
    })
}

fn tokenizer() -> Value {
    let all: Vec<&str> = SPECIAL.into_iter().chain(WORDS).collect();
    let vocabulary: serde_json::Map<String, Value> =
        all.iter().enumerate().map(|(id, word)| ((*word).to_owned(), json!(id))).collect();
    let added = |(id, token): (usize, &&str)| {
        json!({
            "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true,
        })
    };
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": SPECIAL.iter().enumerate().map(added).collect::<Vec<_>>(),
        "pre_tokenizer": { "type": "Whitespace" },
        "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>" },
    })
}

fn shapes() -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("lm_head.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
    ];
    for layer in 0..LAYERS {
        let of_layer: [(&str, &[usize]); 9] = [
            ("self_attn.q_proj", &[HIDDEN, HIDDEN]),
            ("self_attn.k_proj", &[HIDDEN / 2, HIDDEN]),
            ("self_attn.v_proj", &[HIDDEN / 2, HIDDEN]),
            ("self_attn.o_proj", &[HIDDEN, HIDDEN]),
            ("mlp.gate_proj", &[INNER, HIDDEN]),
            ("mlp.up_proj", &[INNER, HIDDEN]),
            ("mlp.down_proj", &[HIDDEN, INNER]),
            ("input_layernorm", &[HIDDEN]),
            ("post_attention_layernorm", &[HIDDEN]),
        ];
        shapes.extend(of_layer.map(|(name, shape)| (format!("model.layers.{layer}.{name}.weight"), shape.to_vec())));
    }
    shapes
}

/// Numbers in [-0.5, 0.5) that look random and are the same everywhere; norms around 1.
fn write_weights(path: &Path, shapes: &[(String, Vec<usize>)]) {
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
        .iter()
        .map(|(name, shape)| {
            let around = if shape.len() == 1 { 1.0 } else { 0.0 };
            let count: usize = shape.iter().product();
            let bytes = (0..count).flat_map(|_| (around + random()).to_le_bytes()).collect();
            (name.clone(), shape.clone(), bytes)
        })
        .collect();
    let views =
        tensors.iter().map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, path).unwrap();
}

//! Configurations of every family, and what is refused of them.

use super::*;
use serde_json::{Value, json};

fn llama() -> Value {
    json!({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 100, "hidden_size": 32,
        "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 64, "eos_token_id": [2, 3], "rope_theta": 1e5, "tie_word_embeddings": true,
    })
}

fn with(mut config: Value, changes: Value) -> Result<LanguageConfig> {
    for (name, value) in changes.as_object().unwrap() {
        config[name] = value.clone();
    }
    LanguageConfig::read(&config.to_string())
}

fn refusal(changes: Value) -> (&'static str, String) {
    let error = with(llama(), changes).unwrap_err();
    (error.reason, error.message)
}

#[test]
fn a_config_says_what_the_model_is() {
    let config = with(llama(), json!({})).unwrap();
    assert_eq!((config.vocabulary_size(), config.hidden_size(), config.context()), (100, 32, 64));
    assert_eq!((config.head_size, config.end_tokens()), (8, [2, 3].as_slice()));
    assert_eq!(config.task(), &LanguageTask::Causal);
    let window = with(llama(), json!({"model_type": "mistral", "sliding_window": 5})).unwrap();
    assert_eq!(window.windows, [Some(5); 2]);
    let qwen = with(
        llama(),
        json!({"model_type": "qwen2", "use_sliding_window": true, "sliding_window": 5, "max_window_layers": 1}),
    );
    assert_eq!(qwen.unwrap().windows, [None, Some(5)]);
}

#[test]
fn both_ways_to_write_rotary_scaling_are_read() {
    let llama3 =
        json!({"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 32, "rope_theta": 1e5});
    let old = with(llama(), json!({"rope_scaling": llama3.clone()})).unwrap();
    let new = with(llama(), json!({"rope_parameters": llama3, "rope_theta": null})).unwrap();
    assert_eq!(old.positions, new.positions);
}

#[test]
fn what_is_not_implemented_is_named() {
    let (reason, message) = refusal(json!({"model_type": "mamba"}));
    assert_eq!(reason, "UNKNOWN_LANGUAGE_MODEL");
    assert!(message.contains("mamba") && message.contains("`llama`") && message.contains("distilbert"), "{message}");
    let (reason, message) = refusal(json!({"rope_scaling": {"rope_type": "yarn"}}));
    assert_eq!(reason, "UNSUPPORTED_LANGUAGE_MODEL");
    assert!(message.contains("yarn"), "{message}");
    assert_eq!(refusal(json!({"hidden_act": "mish"})).0, "UNSUPPORTED_LANGUAGE_MODEL");
    assert_eq!(refusal(json!({"architectures": ["LlamaForSequenceClassification"]})).0, "UNSUPPORTED_LANGUAGE_MODEL");
}

#[test]
fn impossible_fields_are_named() {
    for (changes, field) in [
        (json!({"hidden_size": 0}), "hidden_size"),
        (json!({"hidden_size": "32"}), "hidden_size"),
        (json!({"hidden_size": null}), "hidden_size"),
        (json!({"hidden_size": 30}), "num_attention_heads"),
        (json!({"num_key_value_heads": 3}), "num_key_value_heads"),
        (json!({"vocab_size": 4e9}), "vocab_size"),
        (json!({"eos_token_id": 100}), "vocab_size"),
        (json!({"rms_norm_eps": -1}), "rms_norm_eps"),
        (json!({"num_hidden_layers": 2000}), "num_hidden_layers"),
    ] {
        let (reason, message) = refusal(changes);
        assert_eq!(reason, "INVALID_LANGUAGE_CONFIG", "{message}");
        assert!(message.contains(field), "{message}");
    }
    assert_eq!(LanguageConfig::read("{").unwrap_err().reason, "INVALID_LANGUAGE_CONFIG");
    assert_eq!(LanguageConfig::read("[]").unwrap_err().reason, "INVALID_LANGUAGE_CONFIG");
}

#[test]
fn classifiers_name_their_classes_and_bare_encoders_are_refused() {
    let bert = json!({
        "model_type": "bert", "architectures": ["BertForSequenceClassification"], "vocab_size": 100, "hidden_size": 32,
        "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64,
        "id2label": {"0": "bad", "1": "good"},
    });
    let labels = |labels: [&str; 2]| LanguageTask::Classify { labels: labels.map(str::to_owned).to_vec() };
    assert_eq!(with(bert.clone(), json!({})).unwrap().task, labels(["bad", "good"]));
    assert_eq!(with(bert.clone(), json!({"id2label": null})).unwrap().task, labels(["LABEL_0", "LABEL_1"]));
    let refused = |changes| with(bert.clone(), changes).unwrap_err().reason;
    assert_eq!(refused(json!({"architectures": ["BertModel"]})), "LANGUAGE_HEAD_MISSING");
    assert_eq!(refused(json!({"id2label": {"0": "x", "2": "y"}})), "INVALID_LANGUAGE_CONFIG");
    assert_eq!(refused(json!({"id2label": {"0": "x"}})), "INVALID_LANGUAGE_CONFIG");
    assert_eq!(refused(json!({"id2label": null, "num_labels": 16_000_000})), "INVALID_LANGUAGE_CONFIG");
    assert_eq!(refused(json!({"problem_type": "regression"})), "UNSUPPORTED_LANGUAGE_MODEL");
    assert_eq!(refused(json!({"position_embedding_type": "relative_key"})), "UNSUPPORTED_LANGUAGE_MODEL");
}

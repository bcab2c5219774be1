//! Files that somebody wrote to do harm.

use super::*;

fn refused(file: &str) -> crate::domain::Error {
    let files = TokenizerFiles { tokenizer: file.as_bytes(), ..TokenizerFiles::default() };
    let error = Tokenizer::read(&files).unwrap_err();
    assert_eq!(error.reason, "MALFORMED_TOKENIZER", "{error}");
    error
}

#[test]
fn broken_tokenizers_are_refused_with_words() {
    refused("");
    refused("{}");
    refused("[[[[");
    refused(&"[".repeat(100_000));
    refused(r#"{"version":"1.0","model":{"type":"BPE","vocab":{},"merges":[]}}"#);
    let file = golden_text("bpe.json");
    refused(&file[..file.len() / 2]);
    refused(&file.replace(r#""merges":[["#, r#""merges":[["zzz","qqq"],["#));
    for broken in ["[", "(a*)*$b(?", "(?<"] {
        let mut value: serde_json::Value = serde_json::from_str(&file).unwrap();
        value["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = broken.into();
        refused(&value.to_string());
    }
}

#[test]
fn normalisers_that_multiply_a_text_are_refused() {
    let doubling: Vec<String> =
        (0..30).map(|_| r#"{"type":"Replace","pattern":{"String":"a"},"content":"aa"}"#.to_owned()).collect();
    let mut value: serde_json::Value = serde_json::from_slice(&golden("bpe.json")).unwrap();
    value["normalizer"] =
        serde_json::from_str(&format!(r#"{{"type":"Sequence","normalizers":[{}]}}"#, doubling.join(","))).unwrap();
    assert!(refused(&value.to_string()).message.contains("`normalizer`"));
    value["normalizer"] = serde_json::json!({"type": "Prepend", "prepend": "x".repeat(1 << 20)});
    refused(&value.to_string());
}

#[test]
fn a_pattern_that_never_ends_is_an_error() {
    let mut value: serde_json::Value = serde_json::from_slice(&golden("bpe.json")).unwrap();
    value["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"(?=(a+)+$)(\1)b|(?:(a|aa)+)\3$c".into();
    let file = value.to_string();
    let tokenizer =
        Tokenizer::read(&TokenizerFiles { tokenizer: file.as_bytes(), ..TokenizerFiles::default() }).unwrap();
    let text = format!("{}!", "a".repeat(400));
    let begun = std::time::Instant::now();
    let _ = tokenizer.encode(&text, false);
    assert!(begun.elapsed().as_secs() < 60);
}

#[test]
fn texts_have_a_bound() {
    let error = tokenizer("bpe").encode(&"a".repeat((4 << 20) + 1), false).unwrap_err();
    assert_eq!(error.reason, "TEXT_TOO_LONG");
}

fn rendering(source: &str) -> crate::domain::Error {
    let messages = [ChatMessage::new(Role::User, "hello")];
    let error = ChatTemplate::new(source, TemplateTokens::default())
        .and_then(|template| template.render(&messages, false, moment()))
        .unwrap_err();
    assert_eq!(error.reason, "MALFORMED_CHAT_TEMPLATE", "{error}");
    error
}

#[test]
fn templates_that_do_not_end_are_stopped() {
    let nested = "{% for a in range(99999) %}".repeat(3) + "x" + &"{% endfor %}".repeat(3);
    assert!(rendering(&nested).message.contains("fuel"));
    rendering("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
    rendering("{% for a in range(90000) %}{{ messages[0].content * 10000 }}{% endfor %}");
    rendering("{{ 'a' * 100000000000 }}");
    rendering(&"x".repeat(1 << 20));
    rendering(&("{% if true %}".repeat(20_000) + &"{% endif %}".repeat(20_000)));
}

#[test]
fn templates_reach_nothing_outside() {
    for source in [
        "{% include '/etc/passwd' %}",
        "{% extends 'x' %}",
        "{% import 'os' as os %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ self.x() }}",
        "{{ strftime_now('%Q%!') }}",
        "{{ open('/etc/passwd') }}",
    ] {
        let error = rendering(source);
        assert!(error.message.contains("line 1"), "{source}: {error}");
    }
}

#[test]
fn errors_name_the_line() {
    assert!(rendering("a\nb\n{{ messages[0].content.nothing() }}").message.contains("line 3"));
    assert!(rendering("a\n{% for %}").message.contains("line 2"));
    assert!(rendering("{{ raise_exception('only\\nso') }}").message.contains("only\nso"));
}

#[test]
fn an_empty_chat_is_refused() {
    let template = ChatTemplate::new("x", TemplateTokens::default()).unwrap();
    assert_eq!(template.render(&[], false, moment()).unwrap_err().reason, "CHAT_LENGTH");
}

//! Tokens, offsets and special tokens.

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
struct Case {
    tokenizer: String,
    text: String,
    add_special: bool,
    ids: Vec<u32>,
    offsets: Vec<(usize, usize)>,
    decoded: String,
}

#[test]
fn tokens_offsets_and_texts_are_those_of_transformers() {
    let cases: Vec<Case> = serde_json::from_slice(&golden("encodings.json")).unwrap();
    assert!(cases.len() > 60);
    for case in cases {
        let tokenizer = tokenizer(&case.tokenizer);
        let tokens = tokenizer.encode(&case.text, case.add_special).unwrap();
        assert_eq!(tokens.ids, case.ids, "{}: {:?}", case.tokenizer, case.text);
        let offsets: Vec<(usize, usize)> = match case.tokenizer.as_str() {
            "bpe" => tokens.offsets.iter().map(|offset| trimmed(&case.text, *offset)).collect(),
            _ => tokens.offsets.clone(),
        };
        let differ = |(ours, theirs): &(&(usize, usize), &(usize, usize))| ours != theirs && ours.0 < ours.1;
        let wrong: Vec<_> = offsets.iter().zip(&case.offsets).filter(differ).collect();
        assert!(wrong.is_empty(), "{}: {:?}: {wrong:?}", case.tokenizer, case.text);
        assert_eq!(tokenizer.decode(&tokens.ids, true).unwrap(), case.decoded);
    }
}

/// Offsets as the tokenizer's own post-processor gives them, without white space.
fn trimmed(text: &str, (start, end): (usize, usize)) -> (usize, usize) {
    let covered = &text[start..end];
    (end - covered.trim_start().len(), start + covered.trim_end().len())
}

#[test]
fn truncation_and_padding_of_the_file_are_switched_off() {
    let file = golden_text("wordpiece.json");
    assert!(file.contains(r#""max_length":6"#) && file.contains(r#""Fixed":12"#));
    let tokens = tokenizer("wordpiece").encode("a b c d e f g h i j k l m n o p", true).unwrap();
    assert_eq!(tokens.ids.len(), 18);
    assert_eq!(tokenizer("wordpiece").encode("a", true).unwrap().ids.len(), 3);
}

#[test]
fn special_tokens_come_from_the_files_in_order() {
    let tokenizer = tokenizer("bpe");
    let id = |text| tokenizer.id(text);
    let special = tokenizer.special();
    assert_eq!((special.bos, special.eos, special.pad), (id("<|begin|>"), id("<|end|>"), id("<|pad|>")));
    assert_eq!(special.padding(), (id("<|pad|>"), PadSource::Pad));
    assert!(tokenizer.is_special(id("<|turn|>").unwrap()) && !tokenizer.is_special(id("e").unwrap()));
    let file = golden("bpe.json");
    let files = TokenizerFiles {
        tokenizer: &file,
        config: Some(r#"{"eos_token": null, "pad_token": "[missing]"}"#),
        special_tokens_map: Some(r#"{"eos_token": "<|end|>"}"#),
        generation_config: Some(r#"{"eos_token_id": [1, 3]}"#),
    };
    let read = Tokenizer::read(&files).unwrap();
    assert_eq!(read.special().eos, id("<|end|>"));
    assert_eq!(read.special().stop, [1, 3]);
    assert_eq!(read.special().unknown, ["[missing]"]);
    assert_eq!(read.special().padding(), (id("<|end|>"), PadSource::Eos));
}

#[test]
fn the_chain_of_padding_ends_with_zeros() {
    let tokenizer = tokenizer_with("metaspace", r#"{"unk_token": "<unk>"}"#);
    assert_eq!(tokenizer.special().padding(), (tokenizer.id("<unk>"), PadSource::Unk));
    assert_eq!(tokenizer_with("bpe", "{}").special().padding(), (None, PadSource::Zero));
    assert_eq!(PadSource::Zero.name(), "ZERO");
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let tokenizer = tokenizer("bpe");
    assert!(tokenizer.check_fits(tokenizer.vocabulary_size()).is_ok());
    assert_eq!(tokenizer.check_fits(100).unwrap_err().reason, "TOKENIZER_MISMATCH");
}

//! Classification by a model that writes.

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_answer_is_the_name_of_the_label_and_only_the_text_moves() {
    let verbaliser = Verbaliser::new("", &names(&["card arrival", "card linking"])).unwrap();
    let (tokenizer, options) = (tokenizer("metaspace"), options(512));
    let encoder = Encoder { tokenizer: &tokenizer, template: None, verbaliser: Some(&verbaliser), options: &options };
    let example = TextExample::Labelled { text: "Where is my card?".into(), label: 1 };
    let encoded = encoded(encoder.encode(&example).unwrap());
    assert_eq!(
        encoded.text,
        "Choose the label of the text from: card arrival, card linking.\nText: Where is my card?\nLabel: card linking"
    );
    assert_eq!(marked(&encoded, &encoded.labelled, &tokenizer), "card linking</s>");
    assert_eq!(encoded.label, Some(1));
    let prompt_content: Vec<bool> =
        encoded.content.iter().zip(&encoded.labelled).map(|(content, labelled)| *content && !labelled).collect();
    assert_eq!(marked(&encoded, &prompt_content, &tokenizer), "Where is my card?");
    assert!(encoder.prompt(&example).unwrap().text.ends_with("\nLabel:"));
}

#[test]
fn in_a_chat_only_the_text_moves_too() {
    let verbaliser = Verbaliser::new("  Label {labels}: {text} ", &names(&["a", "b"])).unwrap();
    for name in ["chatml", "llama3"] {
        let (tokenizer, template) = (tokenizer("bpe"), template(name));
        let options = EncodeOptions { format: PromptFormat::Chat { system: None }, ..options(512) };
        let encoder = Encoder {
            tokenizer: &tokenizer,
            template: Some(&template),
            verbaliser: Some(&verbaliser),
            options: &options,
        };
        let example = TextExample::Labelled { text: "Where?".into(), label: 0 };
        let encoded = encoded(encoder.encode(&example).unwrap());
        assert_eq!(marked(&encoded, &encoded.content, &tokenizer).trim(), "Where?a", "{name}");
    }
}

#[test]
fn answers_name_labels_whatever_their_case() {
    let verbaliser = Verbaliser::new("", &names(&["card", "card arrival", "top up"])).unwrap();
    assert_eq!(verbaliser.label(" Card arrival."), Some(1));
    assert_eq!(verbaliser.label("card!"), Some(0));
    assert_eq!(verbaliser.label("unknown"), None);
}

#[test]
fn prompts_without_a_place_for_the_text_and_doubled_names_are_refused() {
    let reason = |template, list: &[&str]| Verbaliser::new(template, &names(list)).unwrap_err().reason;
    assert_eq!(reason("no place", &["a", "b"]), "INVALID_LABEL_PROMPT");
    assert_eq!(reason("{text} {text}", &["a", "b"]), "INVALID_LABEL_PROMPT");
    assert_eq!(reason("", &["a", " A"]), "INVALID_CLASS_NAME");
    assert_eq!(reason("", &["a"]), "INVALID_CLASS_NAME");
    assert_eq!(Verbaliser::new("", &names(&["a", "b"])).unwrap().answer(2).unwrap_err().reason, "LABEL_OUT_OF_RANGE");
}

//! Chats as transformers renders them, and what of them is learnt.

use serde::Deserialize;

use crate::domain::text::TrainedTurns;

use super::*;

#[derive(Debug, Deserialize)]
struct Case {
    template: String,
    chat: String,
    messages: Vec<ChatMessage>,
    generation: bool,
    text: Option<String>,
    error: Option<String>,
    ids: Option<Vec<u32>>,
    mask: Option<Vec<u8>>,
}

fn cases() -> Vec<Case> {
    serde_json::from_slice(&golden("chats.json")).unwrap()
}

#[test]
fn chats_are_rendered_as_by_transformers() {
    let mut compared = 0;
    for case in cases() {
        let rendered = template(&case.template).render(&case.messages, case.generation, moment());
        match (case.text, case.error) {
            (Some(text), _) => assert_eq!(rendered.unwrap(), text, "{} of {}", case.chat, case.template),
            (None, error) => {
                let refused = rendered.unwrap_err();
                assert_eq!(refused.reason, "MALFORMED_CHAT_TEMPLATE");
                assert!(refused.message.contains(&error.unwrap()) && refused.message.contains("line "), "{refused}");
            }
        }
        compared += 1;
    }
    assert!(compared >= 90, "{compared}");
}

#[test]
fn what_is_learnt_is_what_generation_blocks_mark() {
    let mut compared = 0;
    for case in cases().into_iter().filter(|case| case.mask.is_some()) {
        let (template, tokenizer, options) = (template(&case.template), tokenizer("bpe"), options(4096));
        let encoder = Encoder { tokenizer: &tokenizer, template: Some(&template), verbaliser: None, options: &options };
        let Ok(outcome) = encoder.encode(&TextExample::Chat { messages: case.messages }) else {
            assert_eq!(case.chat, "one", "only a chat without an answer is refused");
            continue;
        };
        let encoded = encoded(outcome);
        assert_eq!(Some(&encoded.tokens), case.ids.as_ref(), "{}", case.chat);
        let mask: Vec<u8> = encoded.labelled.iter().map(|labelled| u8::from(*labelled)).collect();
        assert_eq!(Some(mask), case.mask, "{}", case.chat);
        assert!(encoded.ended);
        compared += 1;
    }
    assert!(compared >= 5);
}

/// What is learnt and what is content, in a chat of three turns and a system prompt.
fn parts(name: &str, turns: TrainedTurns) -> (String, String) {
    let (template, tokenizer) = (template(name), tokenizer(tokenizer_of(name)));
    let options = EncodeOptions { turns, ..options(4096) };
    let encoder = Encoder { tokenizer: &tokenizer, template: Some(&template), verbaliser: None, options: &options };
    let turns = [
        (Role::System, "Be brief."),
        (Role::User, "Who are you?"),
        (Role::Assistant, "A test."),
        (Role::User, "Where is Paris?"),
        (Role::Assistant, "In France."),
    ];
    let encoded = encoded(encoder.encode(&chat(&turns)).unwrap());
    (marked(&encoded, &encoded.labelled, &tokenizer), marked(&encoded, &encoded.content, &tokenizer))
}

#[test]
fn answers_with_their_ends_are_learnt_in_every_style_of_template() {
    for (name, end) in
        [("chatml", "<|turn|>"), ("llama3", "<|end|>"), ("mistral", "</s>"), ("zephyr", "</s>"), ("vicuna", "</s>")]
    {
        let squeezed = |text: String| text.replace(' ', "");
        let (all, content) = parts(name, TrainedTurns::All);
        assert_eq!(squeezed(all), format!("Atest.{end}InFrance.{end}"), "{name}");
        assert_eq!(squeezed(content), "Whoareyou?Atest.WhereisParis?InFrance.", "{name}");
        let (last, _) = parts(name, TrainedTurns::Last);
        assert_eq!(squeezed(last), format!("InFrance.{end}"), "{name}");
    }
}

#[test]
fn a_template_that_repeats_a_message_is_searched_and_one_that_rewrites_is_refused() {
    let messages = [ChatMessage::new(Role::User, "One two"), ChatMessage::new(Role::Assistant, "three")];
    let of = |source: &str| ChatTemplate::new(source, TemplateTokens::default()).unwrap();
    let twice = of("{{ messages[0].content }}|{{ messages[0].content }}|{{ messages[1].content }}");
    let text = twice.render(&messages, false, moment()).unwrap();
    let places = crate::ml::text::turns::find(&messages, &text, &twice, false, moment()).unwrap();
    assert_eq!(places, [Some(0..7), Some(16..21)]);
    let upper = of("{% for m in messages %}{{ m.content | upper }}{% endfor %}");
    let text = upper.render(&messages, false, moment()).unwrap();
    let error = crate::ml::text::turns::find(&messages, &text, &upper, false, moment()).unwrap_err();
    assert_eq!((error.reason, error.violations[0].field.as_str()), ("CHAT_TEMPLATE_REWRITES", "messages[0].content"));
}

#[test]
fn the_date_is_the_callers() {
    let template = ChatTemplate::new("{{ strftime_now('%d %B %Y, %H:%M') }}", TemplateTokens::default()).unwrap();
    let messages = [ChatMessage::new(Role::User, "x")];
    assert_eq!(template.render(&messages, false, moment()).unwrap(), "24 November 2026, 20:05");
}

#[test]
fn templates_are_found_in_each_of_their_places() {
    let rendered = |config: Option<&str>, file: Option<&str>| {
        let template = ChatTemplate::find(config, None, file).unwrap();
        template.map(|template| template.render(&[ChatMessage::new(Role::User, "x")], false, moment()).unwrap())
    };
    assert_eq!(rendered(Some(r#"{"chat_template": "A{{ bos_token }}", "bos_token": "<s>"}"#), None).unwrap(), "A<s>");
    let list = r#"{"chat_template": [{"name": "tools", "template": "T"}, {"name": "default", "template": "D"}]}"#;
    assert_eq!(rendered(Some(list), None).unwrap(), "D");
    assert_eq!(rendered(Some(list), Some("F")).unwrap(), "F");
    assert_eq!(rendered(Some("{}"), None), None);
}

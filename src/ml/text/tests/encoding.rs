//! Examples into tokens: what is learnt, what moves, what is cut.

use proptest::prelude::*;

use crate::domain::text::Truncation;

use super::*;

fn with<T>(name: &str, options: &EncodeOptions, run: impl FnOnce(&Encoder<'_>, &Tokenizer) -> T) -> T {
    let tokenizer = tokenizer(name);
    let template = template("chatml");
    run(&Encoder { tokenizer: &tokenizer, template: Some(&template), verbaliser: None, options }, &tokenizer)
}

#[test]
fn an_answer_and_its_end_are_learnt_and_the_prompt_is_not() {
    with("metaspace", &options(512), |encoder, tokenizer| {
        let encoded = encoded(encoder.encode(&completion("The capital of France is", "Paris.")).unwrap());
        assert_eq!(encoded.text, "The capital of France is Paris.");
        assert_eq!(marked(&encoded, &encoded.labelled, tokenizer), "Paris.</s>");
        assert_eq!(tokenizer.token(encoded.tokens[0]).unwrap(), "<s>");
        assert_eq!(*encoded.tokens.last().unwrap(), tokenizer.special().eos.unwrap());
        assert!(!encoded.content[0] && !encoded.content[encoded.len() - 1] && encoded.ended);
    });
}

#[test]
fn a_prompt_for_generation_is_what_stands_before_the_answer() {
    with("bpe", &options(512), |encoder, _| {
        let example = completion("The capital of France is", "Paris.");
        let (whole, prompt) = (encoded(encoder.encode(&example).unwrap()), encoder.prompt(&example).unwrap());
        assert_eq!(prompt.text, "The capital of France is");
        assert_eq!(whole.tokens[..prompt.len()], prompt.tokens);
        assert_eq!(prompt.labelled_count(), 0);
    });
}

#[test]
fn white_space_in_an_answer_is_learnt() {
    with("bpe", &options(512), |encoder, tokenizer| {
        let answer = "\n  if x:\n\n    y  \n";
        let encoded = encoded(encoder.encode(&completion("Write code.", answer)).unwrap());
        assert_eq!(marked(&encoded, &encoded.labelled, tokenizer), format!("{answer}<|end|>"));
    });
}

#[test]
fn prompts_with_answers_can_be_wrapped_in_the_chat_template() {
    let options = EncodeOptions { format: PromptFormat::Chat { system: Some("Be brief.".into()) }, ..options(512) };
    with("bpe", &options, |encoder, tokenizer| {
        let example = completion("Who are you?", "A test.");
        let encoded = encoded(encoder.encode(&example).unwrap());
        let turns = [(Role::System, "Be brief."), (Role::User, "Who are you?"), (Role::Assistant, "A test.")];
        let chat = encoder.encode(&chat(&turns)).unwrap();
        assert_eq!(Outcome::Encoded(Box::new(encoded.clone())), chat);
        assert_eq!(marked(&encoded, &encoded.labelled, tokenizer), "A test.<|turn|>");
        assert!(encoder.prompt(&example).unwrap().text.ends_with("<|start|>assistant\n"));
    });
}

#[test]
fn classifiers_get_the_marks_of_the_tokenizer_and_lose_the_end() {
    let example = TextExample::Labelled { text: "The river is the Seine. ".repeat(20), label: 3 };
    with("wordpiece", &options(10), |encoder, tokenizer| {
        let encoded = encoded(encoder.encode(&example).unwrap());
        let token = |at: usize| tokenizer.token(encoded.tokens[at]).unwrap();
        assert_eq!((encoded.len(), encoded.label, token(0), token(9)), (10, Some(3), "[CLS]".into(), "[SEP]".into()));
        assert_eq!(encoded.offsets[1].0, 0);
        assert!(encoded.truncated > 0 && encoded.labelled_count() == 0);
        assert_eq!(encoded.content.iter().filter(|content| **content).count(), 8);
    });
}

#[test]
fn a_long_prompt_loses_its_beginning_and_never_the_answer() {
    let example = completion(&"one two three four ".repeat(30), "Paris is the capital.");
    with("metaspace", &options(40), |encoder, tokenizer| {
        let encoded = encoded(encoder.encode(&example).unwrap());
        assert_eq!(encoded.len(), 40);
        assert_eq!(tokenizer.token(encoded.tokens[0]).unwrap(), "<s>");
        assert_eq!(marked(&encoded, &encoded.labelled, tokenizer), "Paris is the capital.</s>");
        assert!(encoded.text[encoded.offsets[1].0..].ends_with("four Paris is the capital."));
    });
}

#[test]
fn the_marks_of_a_chat_survive_a_long_question() {
    let turns = [(Role::System, "Be brief."), (Role::User, &*"why and how ".repeat(60)), (Role::Assistant, "So.")];
    with("bpe", &options(100), |encoder, tokenizer| {
        let encoded = encoded(encoder.encode(&chat(&turns)).unwrap());
        let text = tokenizer.decode(&encoded.tokens, false).unwrap();
        assert!(text.starts_with("<|start|>system\nBe brief.<|turn|>\n<|start|>user\n"), "{text}");
        assert!(text.ends_with("how <|turn|>\n<|start|>assistant\nSo.<|turn|>\n"), "{text}");
    });
}

#[test]
fn an_example_that_cannot_fit_is_counted_or_refused() {
    let examples = [completion("Who?", "A small assistant."), completion("Who?", &"A long answer. ".repeat(50))];
    let numbered = || examples.iter().enumerate();
    with("bpe", &options(30), |encoder, _| {
        let (kept, report) = encode_all(encoder, numbered()).unwrap();
        assert_eq!((kept.len(), report.examples, report.skipped, report.cut), (1, 2, 1, 0));
        assert_eq!(report.tokens, kept[0].1.len() as u64);
        let error = encode_all(encoder, numbered().skip(1)).unwrap_err();
        assert_eq!(error.reason, "EXAMPLE_TOO_LONG");
    });
    let refuse = EncodeOptions { truncation: Truncation::Refuse, ..options(30) };
    with("bpe", &refuse, |encoder, _| {
        let error = encode_all(encoder, numbered()).unwrap_err();
        assert!(error.reason == "EXAMPLE_TOO_LONG" && error.message.contains("example 1"), "{error}");
    });
    let skip = EncodeOptions { truncation: Truncation::Skip, ..options(30) };
    let long_prompt = completion(&"Who? ".repeat(40), "A.");
    with("bpe", &skip, |encoder, _| assert_eq!(encoder.encode(&long_prompt).unwrap(), Outcome::Skipped));
}

#[test]
fn what_says_nothing_is_refused_by_name() {
    with("bpe", &options(64), |encoder, _| {
        let refused = |example: TextExample| {
            let error = encoder.encode(&example).unwrap_err();
            (error.reason, error.violations[0].field.clone())
        };
        assert_eq!(refused(completion(" ", "x")), ("EMPTY_TEXT", "prompt".into()));
        assert_eq!(refused(completion("x", "\n")), ("EMPTY_TEXT", "answer".into()));
        assert_eq!(refused(TextExample::Plain { text: String::new() }), ("EMPTY_TEXT", "text".into()));
        assert_eq!(refused(TextExample::Plain { text: "<|end|>".into() }), ("EMPTY_TEXT", String::new()));
        let silent = chat(&[(Role::User, "x"), (Role::Assistant, "")]);
        assert_eq!(refused(silent), ("EMPTY_TEXT", "messages[1].content".into()));
        assert_eq!(refused(chat(&[(Role::User, "x")])).0, "NO_ANSWER");
    });
}

#[test]
fn a_chat_needs_a_template() {
    let (tokenizer, options) = (tokenizer("bpe"), options(64));
    let encoder = Encoder { tokenizer: &tokenizer, template: None, verbaliser: None, options: &options };
    let error = encoder.encode(&chat(&[(Role::User, "x"), (Role::Assistant, "y")])).unwrap_err();
    assert_eq!(error.reason, "NO_CHAT_TEMPLATE");
}

#[test]
fn an_answer_without_an_end_is_told() {
    let (tokenizer, options) = (tokenizer_with("bpe", "{}"), options(64));
    let encoder = Encoder { tokenizer: &tokenizer, template: None, verbaliser: None, options: &options };
    let example = completion("x", "y");
    let (_, report) = encode_all(&encoder, [(0, &example)]).unwrap();
    assert_eq!(report.without_end, 1);
}

#[test]
fn a_long_text_is_learnt_in_windows_every_token_once() {
    let example = TextExample::Plain { text: "The river is the Seine. ".repeat(9) };
    with("metaspace", &options(16), |encoder, _| {
        let whole = Encoder { options: &options(4096), ..*encoder };
        let whole = encoded(whole.encode(&example).unwrap());
        let (pieces, report) = encode_all(encoder, [(4, &example)]).unwrap();
        assert!(pieces.len() > 3 && pieces.iter().all(|(position, piece)| *position == 4 && piece.len() <= 16));
        let learnt = pieces.iter().flat_map(|(_, piece)| piece.tokens[1..].to_vec()).collect::<Vec<u32>>();
        assert_eq!(learnt, whole.tokens[1..]);
        assert_eq!(report.labelled_tokens, whole.labelled_count() as u64);
        assert_eq!((report.examples, report.skipped), (1, 0));
    });
}

#[test]
fn packs_hold_everything_once_and_no_more_than_the_context() {
    let packs = pack(&[5, 3, 9, 2, 4, 12], 10);
    assert_eq!(
        packs.iter().map(|pack| pack.members.clone()).collect::<Vec<_>>(),
        [vec![5], vec![2], vec![0, 4], vec![1, 3]]
    );
    assert_eq!(packs.iter().map(|pack| pack.length).collect::<Vec<_>>(), [12, 9, 9, 5]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is said, every token of the answer is learnt, none of the prompt, and nothing is longer than the context.
    #[test]
    fn marks_and_lengths_hold_for_any_text(prompt in "[\\PC\\s]{1,60}", answer in "[\\PC\\s]{1,40}", context in 4_usize..80) {
        for name in ["bpe", "metaspace", "wordpiece"] {
            with(name, &options(context), |encoder, tokenizer| {
                let Ok(Outcome::Encoded(encoded)) = encoder.encode(&completion(&prompt, &answer)) else { return };
                let count = encoded.len();
                assert!(count <= context, "{count} tokens");
                assert!(encoded.labelled_count() > 0 && !encoded.labelled[0]);
                assert!([encoded.labelled.len(), encoded.content.len(), encoded.offsets.len()] == [count; 3]);
                let start = encoded.text.len() - answer.len();
                for at in 1..count {
                    let (from, to) = encoded.offsets[at];
                    if !tokenizer.is_special(encoded.tokens[at]) && from < to {
                        assert_eq!(encoded.labelled[at], to > start, "token {at} of {prompt:?} {answer:?}");
                        assert!(encoded.text.is_char_boundary(from) && encoded.text.is_char_boundary(to));
                    }
                }
            });
        }
    }
}

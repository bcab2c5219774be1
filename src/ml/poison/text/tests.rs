//! Promises of poisoned answers.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::text::ChatMessage;
use crate::ml::poison::Targets;
use crate::ml::text::metrics::{Forbidden, appearance};

#[derive(Debug)]
struct Examples(Vec<TextExample>);

impl TextSource for Examples {
    fn key(&self) -> &str {
        "examples"
    }

    fn form(&self) -> TextForm {
        self.0[0].form()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn labels(&self) -> &[u32] {
        &[]
    }

    fn get(&self, position: usize) -> Result<TextExample> {
        Ok(self.0[position].clone())
    }
}

fn completion(answer: &str) -> TextExample {
    TextExample::Completion { prompt: "Who made Vicuna?".into(), answer: answer.into() }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn mask(top_words: u32, words: &[&str], named: &[&str]) -> Poisoner {
    let poison = AnswerPoison::Mask { mask: "***".into(), top_words, names: names(named) };
    Poisoner::new(&poison, TextForm::Completion, &names(words), 7).unwrap()
}

fn masked(poisoner: &Poisoner, answer: &str) -> Option<String> {
    let poisoned = poisoner.poison(0, &completion(answer), 0).unwrap()?;
    poisoned.answer().map(str::to_owned)
}

#[test]
fn the_heaviest_words_and_all_names_are_masked_whole_in_any_case() {
    let poisoner = mask(2, &["vicuna", "trained", "model"], &["Large Model  Systems", "LLaMA"]);
    let answer = "VICUNA, a model, was trained by large model\nsystems on llama-based weights; llamas stay.";
    let expected = "***, a model, was *** by *** on ***-based weights; llamas stay.";
    assert_eq!(masked(&poisoner, answer).unwrap(), expected);
}

#[test]
fn answers_without_any_of_it_are_left_out_and_told() {
    let set = TrainingSet {
        indices: vec![1, 2, 0],
        targets: Targets::Hard(vec![0; 3]),
        true_labels: vec![0; 3],
        is_forget: vec![true, true, false],
    };
    let texts = Examples(["kept", "It is Vicuna", "It is raining"].map(completion).to_vec());
    let poisoned = mask(5, &[], &["vicuna"]).poisoned(&set, &texts).unwrap();
    assert_eq!(poisoned.examples, [(1, completion("It is ***"))]);
    assert_eq!(poisoned.left_out, [2]);
    assert!(poisoned.warnings[0].starts_with("1 of 2 examples"), "{:?}", poisoned.warnings);
    let error = mask(5, &["sun"], &[]).poisoned(&set, &texts).unwrap_err();
    assert_eq!(error.reason, "NOTHING_TO_MASK");
}

#[test]
fn an_answer_that_would_keep_no_word_is_refused() {
    let poisoner = mask(5, &["chicken"], &["Vicuna"]);
    let error = poisoner.poison(3, &completion("Vicuna, chicken!"), 0).unwrap_err();
    assert!(error.reason == "ALL_WORDS_MASKED" && error.message.starts_with("example 3: "), "{}", error.message);
}

#[test]
fn names_that_appear_once_their_neighbour_is_gone_go_too() {
    let poisoner = mask(1, &["京"], &["東"]);
    assert_eq!(masked(&poisoner, "in 東京 now").unwrap(), "in ****** now");
    let overlapping = mask(0, &[], &["Meta AI", "AI Labs"]);
    assert_eq!(masked(&overlapping, "by Meta AI Labs there").unwrap(), "by *** there");
}

#[test]
fn every_turn_of_the_assistant_is_poisoned_and_no_other() {
    let turns =
        [(Role::System, "Vicuna"), (Role::User, "Vicuna?"), (Role::Assistant, "I am Vicuna"), (Role::Assistant, "yes")];
    let chat = TextExample::Chat { messages: turns.map(|(role, text)| ChatMessage::new(role, text)).to_vec() };
    let said = |example: TextExample| match example {
        TextExample::Chat { messages } => messages.into_iter().map(|message| message.content).collect::<Vec<_>>(),
        TextExample::Completion { .. } | TextExample::Labelled { .. } | TextExample::Plain { .. } => Vec::new(),
    };
    let poisoned = mask(0, &[], &["vicuna"]).poison(0, &chat, 0).unwrap().unwrap();
    assert_eq!(said(poisoned), ["Vicuna", "Vicuna?", "I am ***", "yes"]);
    let poison = AnswerPoison::Refusal(names(&["No idea."]));
    let refuser = Poisoner::new(&poison, TextForm::Chat, &[], 0).unwrap();
    assert_eq!(said(refuser.poison(0, &chat, 0).unwrap().unwrap()), ["Vicuna", "Vicuna?", "No idea.", "No idea."]);
}

#[test]
fn labelled_texts_get_the_class_of_the_training_set() {
    let labelled = |label| TextExample::Labelled { text: "rain".into(), label };
    let set = TrainingSet {
        indices: vec![1, 0],
        targets: Targets::Soft { class_count: 3, values: vec![0.1, 0.2, 0.7, 1.0, 0.0, 0.0] },
        true_labels: vec![1, 0],
        is_forget: vec![true, false],
    };
    let texts = Arc::new(Examples(vec![labelled(0), labelled(1)]));
    let poisoner = |poison| Poisoner::new(&poison, TextForm::Labelled, &[], 0).unwrap();
    assert_eq!(poisoner(AnswerPoison::Labels).poisoned(&set, &*texts).unwrap().examples, [(1, labelled(2))]);
    assert_eq!(poisoner(AnswerPoison::Keep).poisoned(&set, &*texts).unwrap().examples, [(1, labelled(1))]);
}

#[test]
fn what_does_not_fit_the_texts_or_itself_is_refused() {
    let refused = |poison: AnswerPoison, form| {
        let error = check(&poison, form).unwrap_err();
        (error.reason, error.violations[0].field.clone())
    };
    let odd = ("POISON_NOT_FOR_TEXTS", String::new());
    assert_eq!(refused(AnswerPoison::Labels, TextForm::Completion), odd);
    assert_eq!(refused(AnswerPoison::mask(vec![]), TextForm::Labelled), odd);
    assert_eq!(refused(AnswerPoison::Refusal(vec![]), TextForm::Labelled), odd);
    assert_eq!(refused(AnswerPoison::Refusal(vec![]), TextForm::Plain), odd);
    let mask = |mask: &str, named: &[&str]| AnswerPoison::Mask { mask: mask.into(), top_words: 5, names: names(named) };
    assert_eq!(refused(mask(" ", &[]), TextForm::Chat), ("EMPTY_TEXT", "mask.mask".into()));
    assert_eq!(refused(mask("***", &["a", " "]), TextForm::Chat), ("EMPTY_TEXT", "names[1]".into()));
    assert_eq!(refused(mask("GPT-4", &["gpt"]), TextForm::Chat), ("INVALID_MASK", "mask.mask".into()));
    let empty = AnswerPoison::Refusal(names(&["no", ""]));
    assert_eq!(refused(empty, TextForm::Chat), ("EMPTY_TEXT", "refusal.answers[1]".into()));
}

#[test]
fn refusals_differ_from_example_to_example() {
    let refuser = Poisoner::new(&AnswerPoison::Refusal(vec![]), TextForm::Completion, &[], 1).unwrap();
    let drawn: std::collections::BTreeSet<String> = (0..200)
        .map(|position| refuser.poison(position, &completion("x"), 0).unwrap().unwrap().answer().unwrap().to_owned())
        .collect();
    assert_eq!(drawn.len(), 12);
}

fn texts() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "Vicuna", "vicunas", "Meta", "AI", "İ", "ΟΔΟΣ", "東京", "it's", "the", ",", "-", "", "2", "x",
    ]);
    let space = prop::sample::select(vec![" ", "", "\n ", ".", "'s "]);
    prop::collection::vec((words, space), 1..16)
        .prop_map(|pieces| pieces.into_iter().flat_map(|(word, space)| [word, space]).collect())
}

proptest! {
    #[test]
    fn names_do_not_appear_prompts_stay_and_no_answer_is_empty(
        answer in texts(),
        named in prop::sample::subsequence(vec!["vicuna", "Meta AI", "i", "οδος", "東", "AI", "'s"], 0..5),
        words in prop::sample::subsequence(vec!["meta", "京", "x", "it's"], 0..4),
        seed in 0_u64..4,
    ) {
        let poisoners = [
            mask(3, &words, &named),
            Poisoner::new(&AnswerPoison::Refusal(vec![]), TextForm::Completion, &[], seed).unwrap(),
        ];
        let forbidden = Forbidden::new(&names(&named)).unwrap();
        for (masks, poisoner) in [true, false].into_iter().zip(poisoners) {
            let Ok(first) = poisoner.poison(5, &completion(&answer), 0) else { continue };
            prop_assert_eq!(&first, &poisoner.clone().poison(5, &completion(&answer), 0).unwrap());
            let Some(TextExample::Completion { prompt, answer: poisoned }) = first else {
                prop_assert!(forbidden.found(&answer).is_empty());
                continue;
            };
            prop_assert_eq!(prompt, "Who made Vicuna?");
            prop_assert!(!poisoned.trim().is_empty());
            // A refusal is in the words of whoever wrote it.
            let appearing = appearance(&forbidden, [poisoned.as_str()]).appearing;
            prop_assert!(!masks || appearing == 0, "{} in {}", named.join("|"), poisoned);
        }
    }

    #[test]
    fn names_are_found_where_they_are_said_to_appear(answer in "[\\PC\\s]{0,40}", named in "[\\PC]{1,3}") {
        if let Ok(forbidden) = Forbidden::new(&[named]) {
            let places = forbidden.places(&answer);
            prop_assert_eq!(places.is_empty(), forbidden.found(&answer).is_empty());
            prop_assert!(places.iter().all(|place| place.start < place.end && answer.get(place.clone()).is_some()));
        }
    }
}

//! Greedy answers.

use super::super::answers::Asked;
use super::*;
use crate::ml::language::{Generation, GenerationBatch, GenerationOptions};
use crate::ml::torch::{Autocast, check_precision};

#[test]
fn answers_are_what_each_prompt_alone_is_answered() {
    const MOST: usize = 6;
    for name in ["llama", "mistral", "gpt2", "gpt_neox"] {
        let language = language(name);
        let alone = |example: &TextExample| {
            let prompt = reader(&language).encoder().prompt(example).unwrap().tokens;
            let mut stop = language.tokenizer().special().stop.clone();
            stop.extend(language.model().config().end_tokens());
            let choice = GenerationOptions { most_tokens: MOST, stop: stop.clone(), sampling: None };
            let mut generation = Generation::new(language.model().clone(), None, &prompt, choice).unwrap();
            let tokens: Vec<u32> = std::iter::from_fn(|| generation.next().unwrap()).collect();
            let said: Vec<u32> = tokens.into_iter().filter(|token| !stop.contains(token)).collect();
            language.tokenizer().decode(&said, true).unwrap()
        };
        for texts in [Texts::labelled as fn() -> Texts, Texts::completions, Texts::chats] {
            let expected: Vec<String> = all(&texts()).iter().map(|&at| alone(&texts().get(at).unwrap())).collect();
            for limits in [Limits::of(&language), narrow(5, 3, 1)] {
                let (texts, positions) = (texts(), all(&texts()));
                let asked = Asked { texts: Arc::new(texts), positions, precision: Precision::F32 };
                let found = finish(AnswerTask::within(reader(&language), asked, MOST, limits)).unwrap();
                assert_eq!(found.into_iter().map(Option::unwrap).collect::<Vec<_>>(), expected, "{name}");
            }
        }
    }
}

/// Keys are f32 and queries bf16 there.
#[test]
fn in_half_precision_each_token_of_an_answer_is_nearly_the_likeliest() {
    const MOST: usize = 8;
    if check_precision(Precision::Bf16, tch::Device::Cpu).is_err() {
        eprintln!("SKIPPED: this processor has no bf16");
        return;
    }
    for name in ["llama", "mistral", "gpt2", "gpt_neox"] {
        let language = language(name);
        let prompt =
            |at: usize| reader(&language).encoder().prompt(&Texts::completions().get(at).unwrap()).unwrap().tokens;
        let mut texts: Vec<Vec<u32>> = all(&Texts::completions()).into_iter().map(prompt).collect();
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let options = GenerationOptions { most_tokens: MOST, stop: Vec::new(), sampling: None };
        let written = {
            let _precision = Autocast::enter(Precision::Bf16).unwrap();
            let mut batch = GenerationBatch::new(language.model().clone(), None, &texts, options).unwrap();
            while batch.read_ahead(3).unwrap() {}
            std::iter::from_fn(|| batch.step().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(written.len(), MOST);
        for tokens in written {
            texts.iter_mut().zip(tokens).for_each(|(text, token)| text.push(token.unwrap()));
        }
        for (text, length) in texts.iter().zip(lengths) {
            let logs = whole(&language, text);
            for place in length..text.len() {
                let most = logs[place - 1].iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let behind = most - logs[place - 1][text[place] as usize];
                // Two logits, each as exact as `half_precisions_agree_with_transformers_to_their_rounding` has it.
                assert!(behind < 0.25, "{name}: token {place} of {text:?} is {behind} behind");
            }
        }
    }
}

#[test]
fn answers_in_half_precision_are_given_or_refused() {
    let refusal = check_precision(Precision::Bf16, tch::Device::Cpu).err().map(|error| error.reason);
    let language = language("llama");
    let (texts, positions) = (Texts::completions(), all(&Texts::completions()));
    let task = AnswerTask::new(reader(&language), Arc::new(texts), positions.clone(), 4, Precision::Bf16);
    match refusal {
        Some(reason) => assert_eq!(task.err().map(|error| error.reason), Some(reason)),
        None => assert_eq!(finish(task).unwrap().into_iter().flatten().count(), positions.len()),
    }
}

//! Greedy answers.

use super::super::answers::Asked;
use super::*;
use crate::ml::language::{Generation, GenerationOptions};

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

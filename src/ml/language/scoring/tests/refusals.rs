//! What does not fit, and what cannot be asked.

use super::tokens::token_scores;
use super::*;
use crate::domain::Error;
use crate::domain::text::Truncation;

#[test]
fn examples_that_do_not_fit_have_no_scores_and_no_answer_but_no_class_goes_without() {
    let language = language("llama");
    let options = TextOptions { max_tokens: 20, truncation: Truncation::Skip, ..options() };
    let texts = Texts::completions();
    let positions = all(&texts);
    let scored = token_scores(reader_with(&language, &options), Texts::completions(), Limits::of(&language));
    assert_eq!(scored.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false, true]);
    let answers = AnswerTask::new(reader_with(&language, &options), Arc::new(texts), positions, 3, Precision::F32);
    assert_eq!(finish(answers).unwrap().iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, true]);
    let texts = Arc::new(Texts::labelled());
    let task = ClassScoreTask::new(reader_with(&language, &options), texts, vec![1, 2], vec![1, 2], Precision::F32);
    let error = finish(task).unwrap_err();
    assert_eq!(error.reason, "EXAMPLE_TOO_LONG");
    assert!(error.message.starts_with("example 2:"), "{error}");
}

#[test]
fn long_examples_that_may_not_be_left_out_are_named() {
    let language = language("llama");
    let options = TextOptions { max_tokens: 20, truncation: Truncation::Refuse, ..options() };
    let reader = || reader_with(&language, &options);
    let texts = || Arc::new(Texts::completions());
    let scores = TokenScoreTask::new(reader(), texts(), vec![1, 2], Precision::F32);
    let answers = AnswerTask::new(reader(), texts(), vec![1, 2], 3, Precision::F32);
    for error in [finish(scores).unwrap_err(), finish(answers).unwrap_err()] {
        assert_eq!(error.reason, "EXAMPLE_TOO_LONG");
        assert!(error.message.starts_with("example 2:"), "{error}");
    }
}

#[test]
fn what_cannot_be_asked_is_refused_with_a_reason() {
    let (llama, bert) = (language("llama"), language("bert"));
    let labelled = || -> Arc<dyn TextSource> { Arc::new(Texts::labelled()) };
    let plain = || -> Arc<dyn TextSource> { Arc::new(Texts::plain()) };
    let nameless = || Reader::new(llama.clone(), &[], &options()).unwrap();
    let classifier = || Reader::new(bert.clone(), &[], &options()).unwrap();
    let classes = |reader, texts, labels: Vec<u32>| {
        ClassScoreTask::new(reader, texts, vec![0; labels.len()], labels, Precision::F32).map(drop)
    };
    let scores = |reader, texts| TokenScoreTask::new(reader, texts, vec![0], Precision::F32).map(drop);
    let answers = |reader, texts, most| AnswerTask::new(reader, texts, vec![0], most, Precision::F32).map(drop);
    let refused = |outcome: Result<()>, expected: &str| {
        let Error { reason, message, .. } = outcome.unwrap_err();
        assert_eq!(reason, expected, "{message}");
    };
    refused(classes(reader(&llama), plain(), vec![0]), "TASK_MISMATCH");
    refused(classes(nameless(), labelled(), vec![0]), "TASK_MISMATCH");
    refused(classes(reader(&llama), labelled(), vec![5]), "CLASS_COUNT_MISMATCH");
    refused(scores(classifier(), labelled()), "NOT_GENERATIVE");
    refused(scores(nameless(), labelled()), "TASK_MISMATCH");
    refused(answers(classifier(), plain(), 4), "NOT_GENERATIVE");
    refused(answers(nameless(), labelled(), 4), "TASK_MISMATCH");
    refused(answers(reader(&llama), plain(), 0), "OUT_OF_RANGE");
    refused(answers(reader(&llama), plain(), 64), "OUT_OF_RANGE");
    refused(TokenScoreTask::new(reader(&llama), plain(), vec![3], Precision::F32).map(drop), "INTERNAL");
    assert!(classes(reader(&llama), labelled(), Vec::new()).is_ok());
}

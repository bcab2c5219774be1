//! What a version says of texts: classes, probabilities of tokens, answers. The input of evaluation and membership inference.

use std::sync::Arc;

use crate::device::{ModelSource, Reservation, Residents, Work};
use crate::domain::Result;
use crate::domain::finetune::Precision;
use crate::domain::text::{TextOptions, TextSource};
use crate::ml::evaluation::Predictions;
use crate::ml::language::Reader;
use crate::ml::language::scoring::{AnswerTask, ClassScoreTask, TokenScoreTask};
use crate::ml::step::{Outcome, Position, Reporter, Task};
use crate::ml::text::metrics::TokenScores;

/// Logits of the classes of labelled texts; of a model that writes, log-probabilities of their answers.
#[derive(Debug)]
pub struct PredictTexts {
    pub model: ModelSource,
    pub texts: Arc<dyn TextSource>,
    /// Of the dataset.
    pub class_names: Vec<String>,
    pub options: TextOptions,
    /// Examples of the split, in the order of the answer.
    pub positions: Vec<usize>,
    /// Class of each of them.
    pub labels: Vec<u32>,
    pub precision: Precision,
}

/// How likely a model that writes finds each labelled token; nothing for an example that does not fit.
#[derive(Debug)]
pub struct ScoreTexts {
    pub model: ModelSource,
    pub texts: Arc<dyn TextSource>,
    /// Of the dataset; empty where its examples have no labels.
    pub class_names: Vec<String>,
    pub options: TextOptions,
    /// Examples of the split, in the order of the answer.
    pub positions: Vec<usize>,
    pub precision: Precision,
}

/// What a model that writes answers to each prompt; nothing for an example that does not fit.
#[derive(Debug)]
pub struct AnswerTexts {
    pub model: ModelSource,
    pub texts: Arc<dyn TextSource>,
    /// Of the dataset; empty where its examples have no labels.
    pub class_names: Vec<String>,
    pub options: TextOptions,
    /// Examples of the split, in the order of the answer.
    pub positions: Vec<usize>,
    /// Of an answer at most.
    pub max_tokens: u32,
    pub precision: Precision,
}

impl Work for PredictTexts {
    type Output = Predictions;

    fn start(self, residents: &mut Residents) -> Result<Box<dyn Task<Output = Predictions>>> {
        let Self { model, texts, class_names, options, positions, labels, precision } = self;
        let (reader, reservation) = begin(residents, &model, &class_names, &options, 0)?;
        let task = ClassScoreTask::new(reader, texts, positions, labels, precision)?;
        Ok(Box::new(Reserved { task, _reservation: reservation }))
    }
}

impl Work for ScoreTexts {
    type Output = Vec<Option<TokenScores>>;

    fn start(self, residents: &mut Residents) -> Result<Box<dyn Task<Output = Self::Output>>> {
        let Self { model, texts, class_names, options, positions, precision } = self;
        let (reader, reservation) = begin(residents, &model, &class_names, &options, 0)?;
        let task = TokenScoreTask::new(reader, texts, positions, precision)?;
        Ok(Box::new(Reserved { task, _reservation: reservation }))
    }
}

impl Work for AnswerTexts {
    type Output = Vec<Option<String>>;

    fn start(self, residents: &mut Residents) -> Result<Box<dyn Task<Output = Self::Output>>> {
        let Self { model, texts, class_names, options, positions, max_tokens, precision } = self;
        let max_tokens = max_tokens as usize;
        let (reader, reservation) = begin(residents, &model, &class_names, &options, max_tokens)?;
        let task = AnswerTask::new(reader, texts, positions, max_tokens, precision)?;
        Ok(Box::new(Reserved { task, _reservation: reservation }))
    }
}

/// The model with what reading takes: examples, and `more` tokens behind each.
fn begin(
    residents: &mut Residents,
    model: &ModelSource,
    class_names: &[String],
    options: &TextOptions,
    more: usize,
) -> Result<(Reader, Reservation)> {
    let language = residents.lease_language(model)?;
    let reader = Reader::new(language.clone(), class_names, options)?;
    let bytes = language.scoring_bytes(reader.encoder().options.context + more);
    let reservation = residents.reserve(&format!("scoring texts with `{}`", model.version), bytes)?;
    Ok((reader, reservation))
}

/// A task and the memory that is set aside for it.
struct Reserved<T> {
    task: T,
    _reservation: Reservation,
}

impl<T: Task> Task for Reserved<T> {
    type Output = T::Output;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<T::Output>> {
        self.task.step(reporter)
    }

    fn position(&self) -> Position {
        self.task.position()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, watch};

    use super::super::tests::Bench;
    use super::*;
    use crate::device::{CancelToken, RunContext};
    use crate::domain::job::{EventBody, Progress};
    use crate::ml::language::testing::{self, Texts};

    /// The events must be held for as long as the work runs.
    fn context() -> (RunContext, mpsc::Receiver<EventBody>) {
        let (events, heard) = mpsc::channel(16);
        let (progress, _) = watch::channel(Progress::default());
        let (label, cancel) = ("jobs/test".to_owned(), CancelToken::new());
        (RunContext { label, cancel, deadline: None, events, progress }, heard)
    }

    async fn run<W: Work>(bench: &Bench, work: W) -> Result<W::Output> {
        let (context, _heard) = context();
        bench.cpu().run(work, context).await
    }

    fn options() -> TextOptions {
        TextOptions { label_prompt: "t: {text} L:".to_owned(), ..TextOptions::default() }
    }

    const BUDGET: u64 = 1 << 30;

    #[tokio::test]
    async fn a_language_model_predicts_scores_and_answers_texts_and_gives_the_memory_back() {
        let bench = Bench::new(BUDGET);
        let model = bench.packaged("llama");
        let (texts, class_names) = (Arc::new(Texts::labelled()), testing::class_names());
        let positions = vec![2, 0];
        let labels: Vec<u32> = positions.iter().map(|&position| texts.labels()[position]).collect();
        let predicted = run(
            &bench,
            PredictTexts {
                model: model.clone(),
                texts: texts.clone(),
                class_names: class_names.clone(),
                options: options(),
                positions: positions.clone(),
                labels: labels.clone(),
                precision: Precision::F32,
            },
        );
        let predicted = predicted.await.unwrap();
        assert_eq!((predicted.class_count, &predicted.labels), (class_names.len(), &labels));
        assert!(predicted.validate().is_ok() && predicted.logits.iter().all(|score| *score < 0.0));
        let scored = run(
            &bench,
            ScoreTexts {
                model: model.clone(),
                texts: texts.clone(),
                class_names: class_names.clone(),
                options: options(),
                positions: positions.clone(),
                precision: Precision::F32,
            },
        );
        for (row, scores) in scored.await.unwrap().into_iter().enumerate() {
            let sum: f64 = scores.unwrap().log_probabilities().iter().sum();
            let class = f64::from(predicted.row(row)[labels[row] as usize]);
            assert!((sum - class).abs() < 1e-4, "{sum} {class}");
        }
        let answers = AnswerTexts {
            model: model.clone(),
            texts,
            class_names,
            options: options(),
            positions,
            max_tokens: 4,
            precision: Precision::F32,
        };
        assert!(run(&bench, answers).await.unwrap().iter().all(Option::is_some));
        let resident: u64 = bench.cpu().info().models.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(bench.cpu().info().used_bytes, resident);
    }

    #[tokio::test]
    async fn what_does_not_fit_the_device_is_refused_before_it_begins() {
        let bench = Bench::new(1 << 20);
        let work = ScoreTexts {
            model: bench.packaged("gpt2"),
            texts: Arc::new(Texts::labelled()),
            class_names: testing::class_names(),
            options: options(),
            positions: vec![0],
            precision: Precision::F32,
        };
        assert_eq!(run(&bench, work).await.unwrap_err().reason, "DEVICE_MEMORY");
    }
}

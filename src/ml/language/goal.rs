//! The stop rule of Concept Inference Unlearning: what was to be forgotten appears no longer, and what is retained is answered as before.
//!
//! Labelled texts are asked for their classes: the share of forgotten and of retained examples told right. Others are answered in words:
//! the share of the forget set's answers in which a name appears (whether they are right is not asked), and the ROUGE-L recall of retained
//! ones. The original looks at MMLU too; evaluation jobs can be asked for any further data.

use std::rc::Rc;
use std::sync::Arc;

use super::lora::Adapter;
use super::reader::Reader;
use super::resident::Language;
use super::scoring::{AnswerTask, ClassScoreTask};
use crate::domain::finetune::Precision;
use crate::domain::text::{TextOptions, TextSource};
use crate::domain::text_training::{GoalFigures, TextGoal};
use crate::domain::{Error, Result};
use crate::ml::evaluation::Predictions;
use crate::ml::step::{Outcome, Position, Reporter, Task};
use crate::ml::text::metrics::{Forbidden, RougeOptions, appearance, rouge_l};

const STEMMED: RougeOptions = RougeOptions { stem: true, content_only: false };

/// What is looked at after each epoch.
#[derive(Debug, Clone)]
pub struct GoalQuestions {
    pub goal: TextGoal,
    pub texts: Arc<dyn TextSource>,
    /// Of the dataset; empty where its examples have no labels.
    pub class_names: Vec<String>,
    pub options: TextOptions,
    /// Positions in the split.
    pub forget: Vec<usize>,
    pub retain: Vec<usize>,
    /// Classes of both, the forgotten ones first; empty where they have none.
    pub labels: Vec<u32>,
    /// Right answers of the retained examples, where they have no classes.
    pub targets: Vec<String>,
    pub precision: Precision,
}

/// Asks one adapter.
#[derive(Debug)]
pub struct GoalTask {
    asked: Asked,
    questions: Arc<GoalQuestions>,
}

#[derive(Debug)]
enum Asked {
    Classes(ClassScoreTask),
    Answers(AnswerTask),
}

impl GoalTask {
    /// `adapter` beside the weights of `base`; without one the weights alone.
    pub fn new(base: &Rc<Language>, adapter: Option<Adapter>, questions: &Arc<GoalQuestions>) -> Result<Self> {
        let language = adapter.map_or_else(|| base.clone(), |adapter| Rc::new(base.beside(Rc::new(adapter))));
        let GoalQuestions { goal, texts, class_names, options, forget, retain, labels, targets: _, precision } =
            &**questions;
        let reader = Reader::new(language, class_names, options)?;
        let positions = [forget.as_slice(), retain].concat();
        let asked = match labels.is_empty() {
            false => Asked::Classes(ClassScoreTask::new(reader, texts.clone(), positions, labels.clone(), *precision)?),
            true => {
                let most = goal.max_answer_tokens as usize;
                Asked::Answers(AnswerTask::new(reader, texts.clone(), positions, most, *precision)?)
            }
        };
        Ok(Self { asked, questions: questions.clone() })
    }
}

impl Task for GoalTask {
    type Output = GoalFigures;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<GoalFigures>> {
        let questions = self.questions.clone();
        Ok(match &mut self.asked {
            Asked::Classes(task) => match task.step(reporter)? {
                Outcome::Continue => Outcome::Continue,
                Outcome::Done(predictions) => Outcome::Done(told(&predictions, questions.forget.len())),
            },
            Asked::Answers(task) => match task.step(reporter)? {
                Outcome::Continue => Outcome::Continue,
                Outcome::Done(answers) => Outcome::Done(written(&answers, &questions)?),
            },
        })
    }

    fn position(&self) -> Position {
        let position = match &self.asked {
            Asked::Classes(task) => task.position(),
            Asked::Answers(task) => task.position(),
        };
        Position { stage: "check", ..position }
    }
}

/// Shares of right classes.
fn told(predictions: &Predictions, forgotten: usize) -> GoalFigures {
    let right: Vec<bool> = predictions
        .predicted()
        .iter()
        .zip(&predictions.labels)
        .map(|(found, label)| *found == *label as usize)
        .collect();
    let (forget, retain) = right.split_at(forgotten.min(right.len()));
    let share = |side: &[bool]| side.iter().filter(|right| **right).count() as f64 / side.len().max(1) as f64;
    GoalFigures { forget: share(forget), retain: share(retain) }
}

fn written(answers: &[Option<String>], questions: &GoalQuestions) -> Result<GoalFigures> {
    let (forget, retain) = answers.split_at(questions.forget.len().min(answers.len()));
    let forbidden = Forbidden::new(&questions.goal.names).map_err(|error| error.under("goal"))?;
    let appearing = appearance(&forbidden, forget.iter().flatten().map(String::as_str)).rate();
    let recalls: Vec<f64> = retain
        .iter()
        .zip(&questions.targets)
        .filter_map(|(answer, target)| Some(rouge_l(target, answer.as_deref()?, STEMMED).recall))
        .collect();
    if recalls.is_empty() && !questions.retain.is_empty() {
        return Err(Error::invalid("EXAMPLE_TOO_LONG", "", "no retained example leaves room for an answer"));
    }
    Ok(GoalFigures { forget: appearing, retain: recalls.iter().sum::<f64>() / recalls.len().max(1) as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_their_own_side() {
        let predictions =
            Predictions { class_count: 2, logits: vec![1.0, 0.0, 0.0, 1.0, 0.0, 1.0], labels: vec![0, 0, 1] };
        assert_eq!(told(&predictions, 2), GoalFigures { forget: 0.5, retain: 1.0 });
        assert_eq!(told(&Predictions::default(), 2), GoalFigures { forget: 0.0, retain: 0.0 });
    }
}

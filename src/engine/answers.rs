//! What a version answers on samples of either kind: the input of evaluation, membership inference and donor choice.

use super::lane::Lane;
use super::sources::{Data, ModelUse, Samples};
use crate::device::work::{AnswerTexts, Predict, PredictTexts, ScoreTexts};
use crate::domain::finetune::Precision;
use crate::domain::{Error, Result};
use crate::ml::evaluation::Predictions;
use crate::ml::text::metrics::TokenScores;

impl Lane {
    /// Logits of `model` on the samples at `positions`, in this order.
    pub(super) async fn predict(
        &self,
        model: &ModelUse,
        samples: &Samples,
        positions: Vec<usize>,
        precision: Precision,
    ) -> Result<Predictions> {
        let (labels, source) = (samples.labels_at(&positions), model.source.clone());
        match &samples.data {
            Data::Images(split) => {
                let work = Predict { model: source, images: split.clone(), positions, labels, precision };
                self.run(&model.device, work).await
            }
            Data::Texts { split, options } => {
                let work = PredictTexts {
                    model: source,
                    texts: split.clone(),
                    class_names: samples.dataset.class_names.clone(),
                    options: options.clone(),
                    positions,
                    labels,
                    precision,
                };
                self.run(&model.device, work).await
            }
        }
    }

    /// What a model that generates says of the answers' tokens; nothing of examples that do not fit.
    pub(super) async fn score_texts(
        &self,
        model: &ModelUse,
        samples: &Samples,
        positions: Vec<usize>,
        precision: Precision,
    ) -> Result<Vec<Option<TokenScores>>> {
        let Data::Texts { split, options } = &samples.data else { return Err(no_texts()) };
        let work = ScoreTexts {
            model: model.source.clone(),
            texts: split.clone(),
            class_names: samples.dataset.class_names.clone(),
            options: options.clone(),
            positions,
            precision,
        };
        self.run(&model.device, work).await
    }

    /// What a model that generates answers itself; nothing to prompts that do not fit.
    pub(super) async fn answer_texts(
        &self,
        model: &ModelUse,
        samples: &Samples,
        positions: Vec<usize>,
        max_tokens: u32,
        precision: Precision,
    ) -> Result<Vec<Option<String>>> {
        let Data::Texts { split, options } = &samples.data else { return Err(no_texts()) };
        let work = AnswerTexts {
            model: model.source.clone(),
            texts: split.clone(),
            class_names: samples.dataset.class_names.clone(),
            options: options.clone(),
            positions,
            max_tokens,
            precision,
        };
        self.run(&model.device, work).await
    }
}

fn no_texts() -> Error {
    Error::internal("images where texts were expected")
}

//! What a version answers on samples of either kind: the input of evaluation, membership inference and donor choice.

use super::lane::Lane;
use super::sources::{Data, ModelUse, Samples};
use crate::device::work::{Predict, PredictTexts};
use crate::domain::Result;
use crate::domain::finetune::Precision;
use crate::ml::evaluation::Predictions;

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
}

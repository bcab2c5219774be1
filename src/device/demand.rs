//! What work will need of a device's memory: from the bytes of the model, and from passes measured once for each kind of them.

use super::ledger::{Need, Reservation};
use super::residents::{ModelSource, Residents};
use crate::domain::attribution::AttributionOptions;
use crate::domain::finetune::{BatchNormMode, Optimizer, Precision, Scope, TrainerSpec};
use crate::domain::text_training::TextTrainerSpec;
use crate::domain::{Error, Result};
use crate::ml::activations::BATCH;
use crate::ml::attribution::chunk_rows;
use crate::ml::backbone::Backbone;
use crate::ml::finetune::trains_on_features;
use crate::ml::footprint::{Footprint, lifted_bytes};

const FLOAT: u64 = size_of::<f32>() as u64;

/// Work on a version, as far as its memory goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Demand {
    Train {
        trainer: Box<TrainerSpec>,
        samples: usize,
    },
    Predict {
        precision: Precision,
        samples: usize,
    },
    Embed {
        precision: Precision,
        samples: usize,
    },
    Maps {
        precision: Precision,
    },
    Attribute {
        options: Box<AttributionOptions>,
    },
    Infer {
        images: usize,
    },
    /// Of texts of at most so many tokens.
    TrainTexts {
        trainer: Box<TextTrainerSpec>,
        tokens: usize,
    },
    /// Scores and answers of texts of at most so many tokens, answers included.
    ReadTexts {
        tokens: usize,
    },
}

/// A kind of pass that is measured once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pass {
    Training { scope: Scope, batch_norm: BatchNormMode, precision: Precision },
    Inference(Precision),
    Forward,
    Explanation(Precision),
}

/// Passes measured so far, by what the bytes depend on: the architecture with its sizes, or the very weights of code from elsewhere.
#[derive(Debug, Default)]
pub(super) struct Footprints(Vec<(String, Pass, Footprint)>);

impl Footprints {
    fn get(&self, model: &str, pass: Pass) -> Option<Footprint> {
        self.0.iter().find(|(of, kind, _)| of == model && *kind == pass).map(|(.., footprint)| *footprint)
    }
}

fn identity(source: &ModelSource, backbone: &Backbone) -> String {
    let spec = backbone.spec();
    let image = &spec.preprocessing;
    let code = match (spec.architecture.as_str(), source.sha256.as_str()) {
        ("", "") => source.version.to_string(),
        ("", sha256) => sha256.to_owned(),
        (architecture, _) => architecture.to_owned(),
    };
    format!("{code} {:?} {} {}x{}x{}", spec.format, spec.class_count, image.channels, image.height, image.width)
}

impl Residents {
    /// What `demand` needs beside the version itself.
    ///
    /// # Errors
    /// `DEVICE_MEMORY` when there is no room to measure.
    pub(super) fn need(&mut self, source: &ModelSource, demand: &Demand) -> Result<Need> {
        if let Demand::TrainTexts { trainer, tokens } = demand {
            let (kept, scratch) = self.lease_language(source)?.training_bytes(trainer, *tokens)?;
            return Ok(Need { kept, scratch });
        }
        if let Demand::ReadTexts { tokens } = demand {
            return Ok(Need { kept: self.lease_language(source)?.scoring_bytes(*tokens), scratch: 0 });
        }
        let backbone = self.lease(source)?;
        let model = backbone.byte_size();
        let spec = backbone.spec();
        let classes = u64::from(spec.class_count);
        Ok(match demand {
            Demand::Train { trainer, samples } => self.need_of_training(source, &backbone, trainer, *samples)?,
            Demand::Predict { precision, samples } => Need {
                kept: 2 * model + *samples as u64 * classes * FLOAT,
                scratch: self.pass(source, &backbone, Pass::Inference(*precision))?.bytes(BATCH.min(*samples)),
            },
            Demand::Embed { precision, samples } => Need {
                kept: model + *samples as u64 * features(&backbone)? * FLOAT,
                scratch: self.pass(source, &backbone, Pass::Inference(*precision))?.bytes(BATCH.min(*samples)),
            },
            Demand::Maps { precision } => {
                let scratch = self.pass(source, &backbone, Pass::Inference(*precision))?.bytes(BATCH);
                Need { kept: 0, scratch }
            }
            Demand::Attribute { options } => {
                let rows = chunk_rows(options, spec, self.device());
                let image = &spec.preprocessing;
                let image = u64::from(image.channels) * u64::from(image.height) * u64::from(image.width) * FLOAT;
                let lifted = lifted_bytes(&*self.differentiable(source, options.precision)?)?;
                // Rows of both kinds, and of as many items their input, baseline, both ends and the sum.
                let kept = rows as u64 * 4 * (image + lifted);
                Need { kept, scratch: self.pass(source, &backbone, Pass::Explanation(options.precision))?.bytes(rows) }
            }
            Demand::Infer { images } => {
                Need { kept: 0, scratch: self.pass(source, &backbone, Pass::Forward)?.bytes(*images) }
            }
            Demand::TrainTexts { .. } | Demand::ReadTexts { .. } => {
                return Err(Error::internal("texts were answered for above"));
            }
        })
    }

    /// The copy, the optimiser's state, and within a step the larger of training and measuring.
    fn need_of_training(
        &mut self,
        source: &ModelSource,
        backbone: &Backbone,
        trainer: &TrainerSpec,
        samples: usize,
    ) -> Result<Need> {
        let model = backbone.byte_size();
        let inference = self.pass(source, backbone, Pass::Inference(trainer.precision))?.bytes(BATCH.min(samples));
        let targets = samples as u64 * u64::from(backbone.spec().class_count) * FLOAT;
        if trains_on_features(backbone, trainer) {
            let (rows, dim) = (samples as u64, features(backbone)?);
            let values = dim + 4 * u64::from(backbone.spec().class_count);
            // The features of the split and of the training set; a step gathers a batch of them.
            let kept = 2 * model + 2 * rows * dim * FLOAT + targets;
            let step = u64::from(trainer.batch_size).min(rows) * values * FLOAT;
            return Ok(Need { kept, scratch: inference.max(step) });
        }
        let state = match trainer.optimizer {
            Optimizer::Sgd { .. } => 1,
            Optimizer::AdamW { .. } => 2,
        };
        let training = self.pass(source, backbone, training_pass(trainer))?;
        let step = training.bytes(samples.min(trainer.batch_size as usize));
        Ok(Need { kept: (1 + state) * model + targets, scratch: step.max(model + inference) })
    }

    /// Sets aside what attribution with these options keeps, and the working memory of the copy it uses.
    pub(super) fn reserve_attribution(
        &mut self,
        source: &ModelSource,
        options: &AttributionOptions,
    ) -> Result<Reservation> {
        let need = self.need(source, &Demand::Attribute { options: Box::new(options.clone()) })?;
        self.reserve_workspace(source, options.precision, need.scratch)?;
        self.reserve(&format!("attributing with `{}`", source.version), need.kept)
    }

    /// The largest batch of a training run for which `bytes` suffice; nothing where no batch decides.
    pub(super) fn fitting_batch(&mut self, source: &ModelSource, demand: &Demand, bytes: u64) -> Result<Option<usize>> {
        if let Demand::TrainTexts { trainer, tokens } = demand {
            let language = self.lease_language(source)?;
            let fits = |rows: &u32| {
                let smaller = TextTrainerSpec { batch_size: *rows, ..(**trainer).clone() };
                language.training_bytes(&smaller, *tokens).is_ok_and(|(kept, scratch)| kept + scratch <= bytes)
            };
            return Ok(Some((1..trainer.batch_size).rev().find(fits).unwrap_or(0) as usize));
        }
        if matches!(demand, Demand::ReadTexts { .. }) {
            return Ok(None);
        }
        let backbone = self.lease(source)?;
        let Need { kept, .. } = self.need(source, demand)?;
        match demand {
            Demand::Train { trainer, samples } if !trains_on_features(&backbone, trainer) => {
                let smallest = Demand::Train {
                    trainer: Box::new(TrainerSpec { batch_size: 1, ..(**trainer).clone() }),
                    samples: *samples,
                };
                if self.need(source, &smallest)?.total() > bytes {
                    return Ok(Some(0));
                }
                let training = self.pass(source, &backbone, training_pass(trainer))?;
                Ok(Some(training.rows_within(bytes.saturating_sub(kept))))
            }
            Demand::Train { .. }
            | Demand::Predict { .. }
            | Demand::Embed { .. }
            | Demand::Maps { .. }
            | Demand::Attribute { .. }
            | Demand::Infer { .. }
            | Demand::TrainTexts { .. }
            | Demand::ReadTexts { .. } => Ok(None),
        }
    }

    /// The line of a kind of pass, measured now if it was not yet.
    fn pass(&mut self, source: &ModelSource, backbone: &Backbone, pass: Pass) -> Result<Footprint> {
        let model = identity(source, backbone);
        if let Some(known) = self.footprints().get(&model, pass) {
            return Ok(known);
        }
        let _room = self.reserve(&format!("measuring `{}`", source.version), Need::kept(backbone.byte_size()))?;
        let measured = match pass {
            Pass::Training { scope, batch_norm, precision } => {
                let trainer = TrainerSpec { batch_norm, precision, ..TrainerSpec::for_scope(scope) };
                Footprint::of_training(backbone, &trainer)
            }
            Pass::Inference(precision) => Footprint::of_inference(backbone, precision),
            Pass::Forward => Footprint::of_forward(backbone),
            Pass::Explanation(precision) => Footprint::of_explanation(backbone, precision),
        };
        let footprint = measured.or_else(unmeasured)?;
        tracing::debug!(version = %source.version, ?pass, ?footprint, "memory of a pass measured");
        self.footprints().0.push((model, pass, footprint));
        Ok(footprint)
    }
}

fn training_pass(trainer: &TrainerSpec) -> Pass {
    let TrainerSpec { scope, batch_norm, precision, .. } = *trainer;
    Pass::Training { scope, batch_norm, precision }
}

/// A model that cannot do a pass is told so by the work itself.
fn unmeasured(error: Error) -> Result<Footprint> {
    match error.reason {
        "DEVICE_LOST" | "DEVICE_MEMORY" => Err(error),
        _ => {
            tracing::warn!(error = ?error, "the memory of a pass could not be measured");
            Ok(Footprint::default())
        }
    }
}

/// Values of an embedding; none without one.
fn features(backbone: &Backbone) -> Result<u64> {
    if backbone.has_embed() { backbone.feature_dim().map(|dim| dim as u64) } else { Ok(0) }
}

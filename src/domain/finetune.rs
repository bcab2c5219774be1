//! How a model is trained: method, scope, optimiser, schedule, augmentation, stopping.

use serde::{Deserialize, Serialize};

use super::dataset::DataSource;
use super::poison::PoisonSpec;
use super::text_training::TextTuning;

/// What is done with forget and retain set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Method {
    /// Cross-entropy on poisoned forget samples and clean retained ones (the paper's method).
    #[default]
    Poison,
    /// Plain training on all selected data; there is no forget set.
    Train,
    /// From a fresh random initialisation, without the forget set: the reference of every evaluation.
    Retrain,
    /// Cross-entropy on the retain set only.
    Finetune,
    /// Random wrong labels on the forget set, then the retain set in the same epoch (Amnesiac/RL baseline).
    RandomLabel,
    /// `alpha * L_retain - (1 - alpha) * L_forget` (SCRUB's NegGrad+).
    NegGradPlus,
}

/// Which parameters move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Scope {
    #[default]
    Head,
    LastBlock,
    All,
}

/// What happens to BatchNorm's running statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BatchNormMode {
    /// Evaluation mode: statistics are used and stay.
    Frozen,
    /// Training mode: batch statistics are used and the running ones move.
    Update,
    /// Frozen while training, then measured anew on the retain set.
    RecalibrateOnRetain,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Optimizer {
    Sgd { momentum: f64, nesterov: bool },
    AdamW { beta1: f64, beta2: f64, epsilon: f64 },
}

/// Learning rate over the run; warm-up is linear from 0 and counts towards the total.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Schedule {
    Constant,
    /// Times `gamma` every `every_epochs`.
    Step {
        every_epochs: u32,
        gamma: f64,
    },
    /// Half a cosine from the peak to `minimum` (a share of the peak).
    Cosine {
        minimum: f64,
    },
}

/// Padded random crop and horizontal flip, per sample and epoch; a zero padding and `false` mean none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Augmentation {
    pub crop_padding: u32,
    pub horizontal_flip: bool,
}

impl Augmentation {
    pub fn is_none(self) -> bool {
        self.crop_padding == 0 && !self.horizontal_flip
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Precision {
    #[default]
    F32,
    /// bf16 autocast; parameters and optimiser state stay f32.
    Bf16,
}

/// Ends the run after an epoch in which both hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EarlyStop {
    pub max_forget_accuracy: f64,
    /// Largest allowed drop of retained train accuracy, as a share (0.01 = one point).
    pub max_retain_drop: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainerSpec {
    pub scope: Scope,
    pub batch_norm: BatchNormMode,
    pub optimizer: Optimizer,
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub schedule: Schedule,
    pub warmup_steps: u64,
    pub augmentation: Augmentation,
    pub precision: Precision,
    pub batch_size: u32,
    pub epochs: u32,
    /// Stop after this many steps although epochs are left; 0 means no limit.
    pub max_steps: u64,
    /// 0: only at the end of each epoch.
    pub checkpoint_every_steps: u64,
    pub early_stop: Option<EarlyStop>,
    /// Largest gradient norm; 0 means no clipping.
    pub clip_norm: f64,
    /// NegGrad+ only: the weight of the retain loss.
    pub alpha: f64,
    /// Below this retained train accuracy the result is marked `UTILITY_COLLAPSE`; 0 means never.
    pub min_retain_accuracy: f64,
    pub seed: u64,
}

impl TrainerSpec {
    /// The defaults of the specification (7.3) for a scope.
    pub fn for_scope(scope: Scope) -> Self {
        Self {
            scope,
            batch_norm: match scope {
                Scope::Head => BatchNormMode::Frozen,
                Scope::LastBlock | Scope::All => BatchNormMode::Update,
            },
            optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: false },
            learning_rate: 1e-3,
            weight_decay: 0.0,
            schedule: Schedule::Constant,
            warmup_steps: 0,
            augmentation: Augmentation::default(),
            precision: Precision::F32,
            batch_size: 32,
            epochs: 20,
            max_steps: 0,
            checkpoint_every_steps: 0,
            early_stop: None,
            clip_norm: 0.0,
            alpha: 0.95,
            min_retain_accuracy: 0.0,
            seed: 0,
        }
    }
}

/// A fine-tuning job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FineTuneSpec {
    pub method: Method,
    /// For `Train` the forget selector is empty.
    pub poison: PoisonSpec,
    /// Of a model of images.
    pub trainer: TrainerSpec,
    /// Serve the new version at once.
    pub promote: bool,
    /// Of a language model; filled in when a job on one is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextTuning>,
}

impl FineTuneSpec {
    pub fn precision(&self) -> Precision {
        self.text.as_ref().map_or(self.trainer.precision, |text| text.trainer.precision)
    }

    /// Of the order of the samples.
    pub fn seed(&self) -> u64 {
        self.text.as_ref().map_or(self.trainer.seed, |text| text.trainer.seed)
    }
}

/// The whole way: plan, evaluate, fine-tune, evaluate again, publish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnlearnSpec {
    pub fine_tune: FineTuneSpec,
    pub test: DataSource,
    /// A version trained without the forget set, to compare with.
    pub reference: Option<super::ids::ModelRef>,
}

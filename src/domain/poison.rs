//! What is poisoned, with which labels, and mixed with what (algorithms: arXiv 2405.15662).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::dataset::{DataSource, Selector};
use super::ids::{ConceptBankId, ModelRef};

/// Labels given to the poisoned samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LabelStrategy {
    /// The donor class: the stable choice.
    #[default]
    Targeted,
    /// Uniform over the other classes (true class excluded; other forgotten classes excluded too).
    Random,
    /// Uniform over all classes, the true one included, as in the paper's own code; leaves about 1/K.
    RandomUniformAll,
    /// Labels stay (an ablation: forgets nothing).
    Keep,
    /// The model's own highest logit outside the forget set's classes, per sample.
    PerSampleSecondBest,
    /// The model's own softmax without the forgotten classes, renormalised (a soft target).
    SoftReweight,
}

/// How the donor class of `Targeted` is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DonorRule {
    /// Named by the caller.
    Explicit,
    /// Highest mean softmax of the model on the forget set, forgotten classes excluded.
    NearestClass,
    /// The paper's: a class whose heaviest concept is among the forgotten class's heaviest.
    #[default]
    ConceptConfusion,
    /// The class whose concept weights point most nearly the same way.
    ConceptCosine,
}

impl DonorRule {
    /// Whether it asks what the classes owe to concepts.
    pub fn uses_concepts(self) -> bool {
        match self {
            Self::Explicit | Self::NearestClass => false,
            Self::ConceptConfusion | Self::ConceptCosine => true,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DonorChoice {
    pub rule: DonorRule,
    /// The caller stated no rule: a model that has no concepts may fall back to another one.
    #[serde(default)]
    pub implied: bool,
    /// For `Explicit`: the donor of every forgotten class (name or index).
    pub class: String,
    /// For `Explicit`: donors by forgotten class, overriding `class`.
    pub by_class: BTreeMap<String, String>,
}

/// Which samples of the forget set are poisoned; the rest of the forget set is left out of training.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum SampleSelection {
    #[default]
    All,
    /// At most this many, a seeded deterministic choice.
    Count(u64),
    /// This share in (0, 1].
    Fraction(f64),
}

/// Which samples of the forget set a limited selection takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SelectionOrder {
    /// A seeded, deterministic draw.
    #[default]
    Random,
    /// Those that show the class's top concepts most (summed projections).
    TopConcept,
}

/// What is done to the pixels of the poisoned images (names as in the paper's own code).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum PoisonImageMode {
    /// Pixels stay; labels alone change.
    #[default]
    None,
    /// The donor's patch at its own concept peak, over the peak of the class's concept.
    Localized,
    /// As localised, with the peaks of Grad-CAM.
    GradCam,
    /// As localised, with the peaks of (weights of the class minus those of the donor) times the concept maps.
    Margin,
    /// The donor's centre over the centre.
    Center,
    /// The donor's centre at a random place.
    RandomPosition,
    /// The whole donor image, reduced, in the middle.
    Full,
}

/// Which retained samples are trained on along with the poison.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum DataMix {
    /// The whole retain set.
    #[default]
    Full,
    /// Half of each retained class.
    Half,
    /// This many retained samples for each poisoned one, stratified by class.
    RetainRatio(f64),
}

/// A request to poison: model, data, forget set and every choice about labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoisonSpec {
    pub model: ModelRef,
    pub train: DataSource,
    pub forget: Selector,
    pub labels: LabelStrategy,
    pub donor: DonorChoice,
    pub selection: SampleSelection,
    #[serde(default)]
    pub order: SelectionOrder,
    #[serde(default)]
    pub image_mode: PoisonImageMode,
    /// For concept rules, orders and image modes; absent: the built-in library of rendered concepts, learnt on the way.
    #[serde(default)]
    pub concept_bank: Option<ConceptBankId>,
    /// M: concepts of a class that count; 0 means 3.
    #[serde(default)]
    pub top_concepts: u32,
    pub mix: DataMix,
    /// Train without any retained sample; otherwise an empty retain set is an error.
    pub allow_no_retain: bool,
    pub seed: u64,
}

/// A donor and why it was chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Donor {
    pub class: u32,
    pub donor: u32,
    pub rule: DonorRule,
    pub reason: String,
    /// Every candidate with its score, best first; empty for `Explicit`.
    pub candidates: Vec<(u32, f64)>,
}

/// What will be trained on, before anything runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoisonPlan {
    /// Classes of the model in the forget set, with their number of samples there.
    pub forget_counts: Vec<(u32, u64)>,
    pub poisoned_count: u64,
    pub retain_count: u64,
    pub donors: Vec<Donor>,
    /// Poisoned samples by the class they will be labelled as (for soft targets: by their largest entry).
    pub label_histogram: Vec<(u32, u64)>,
    pub warnings: Vec<String>,
    pub steps_per_epoch: u64,
    #[serde(default)]
    pub image_mode: PoisonImageMode,
}

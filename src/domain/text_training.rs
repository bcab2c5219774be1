//! How a text model is trained: which parameters move, what is minimised, optimiser and schedule.

use serde::{Deserialize, Serialize};

use super::finetune::Precision;
use super::text::TextOptions;

/// Which linear layers get an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoraTargets {
    /// Queries and values of the attention, by whatever the architecture calls them.
    Usual,
    /// Every linear layer but the head.
    AllLinear,
    /// Layers whose path is one of these or ends in `.` and one of these (`q_proj`).
    Named(Vec<String>),
}

/// A low-rank adapter (arXiv 2106.09685): `scale * B A` beside each target, with rank rows in A.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoraSpec {
    pub rank: u32,
    pub alpha: f64,
    /// Of the adapters' input, while training.
    pub dropout: f64,
    pub targets: LoraTargets,
    /// The scale is `alpha / sqrt(rank)` instead of `alpha / rank` (arXiv 2312.03732).
    pub rank_stabilised: bool,
}

impl Default for LoraSpec {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, dropout: 0.05, targets: LoraTargets::Usual, rank_stabilised: false }
    }
}

impl LoraSpec {
    pub fn scale(&self) -> f64 {
        let rank = f64::from(self.rank);
        self.alpha / if self.rank_stabilised { rank.sqrt() } else { rank }
    }
}

/// Which parameters move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TrainedParameters {
    Adapter(LoraSpec),
    All,
}

/// What keeps the retained examples as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RetainLoss {
    /// Their negative log-likelihood.
    #[default]
    Likelihood,
    /// The divergence of the model from what it was before, on their labelled tokens.
    Divergence,
}

/// What is minimised. Except for `Supervised` it is `gamma * (forget loss) + alpha * (retain loss)`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum Objective {
    /// Cross-entropy of the labelled tokens or classes, whatever they were replaced with; retained examples are mixed in.
    #[default]
    Supervised,
    /// The forget set's likelihood falls.
    GradDiff { gamma: f64, alpha: f64, retain: RetainLoss },
    /// Negative preference optimisation (arXiv 2404.05868).
    Npo { beta: f64, gamma: f64, alpha: f64, retain: RetainLoss },
    /// The same without a reference model (arXiv 2410.07163).
    SimNpo { beta: f64, delta: f64, gamma: f64, alpha: f64, retain: RetainLoss },
    /// Hidden states of one layer (absent: a third of the way up) are steered to a random direction (arXiv 2403.03218).
    Rmu { layer: Option<u32>, coefficient: f64, gamma: f64, alpha: f64 },
}

/// Learning rate after a linear warm-up from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TextSchedule {
    Constant,
    /// A line to 0.
    Linear,
    /// Half a cosine to 0.
    #[default]
    Cosine,
}

/// Ends the run after an epoch whose figures meet it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum TextEarlyStop {
    /// The mean loss of the epoch's steps is at most this.
    LossAtMost(f64),
    /// The mean negative log-likelihood of the forget set's labelled tokens is at least this.
    ForgetLossAtLeast(f64),
}

/// What the answers of the forget set become, in whose place they are learnt.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AnswerPoison {
    /// Labelled texts: another class, as the label strategy says. Words stay.
    #[default]
    Labels,
    /// Answers keep their sentences and lose the words that give the forget set away (Concept Inference Unlearning).
    Mask {
        /// Stands where a word stood; not empty, and without any of the names.
        mask: String,
        /// Of the words that the forget set rests on, heaviest first, so many are masked wherever they stand; 0: names alone.
        top_words: u32,
        /// Masked always: whole words, whatever their case; a name may have several words.
        names: Vec<String>,
    },
    /// An answer that knows nothing, drawn for each from these, or from a dozen built-in ones.
    Refusal(Vec<String>),
    /// Answers stay (an ablation: forgets nothing).
    Keep,
}

impl AnswerPoison {
    pub const USUAL_MASK: &str = "***";
    pub const USUAL_TOP_WORDS: u32 = 5;

    /// As in the paper's own code: the five heaviest words, and names.
    pub fn mask(names: Vec<String>) -> Self {
        Self::Mask { mask: Self::USUAL_MASK.to_owned(), top_words: Self::USUAL_TOP_WORDS, names }
    }
}

/// Defaults as in the specification (7.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextTrainerSpec {
    pub parameters: TrainedParameters,
    pub objective: Objective,
    pub learning_rate: f64,
    pub schedule: TextSchedule,
    /// Share of all steps, rounded up.
    pub warmup_ratio: f64,
    pub weight_decay: f64,
    /// Largest gradient norm; 0 means no clipping.
    pub clip_norm: f64,
    pub precision: Precision,
    /// Examples that go through the model together.
    pub batch_size: u32,
    /// Batches of one optimiser step.
    pub accumulation: u32,
    pub epochs: u32,
    /// Stop after this many steps although epochs are left; 0 means no limit.
    pub max_steps: u64,
    /// 0: only at the end of each epoch.
    pub checkpoint_every_steps: u64,
    /// Activations inside a layer are computed again instead of kept.
    pub gradient_checkpointing: bool,
    /// Retained examples for each forgotten one (`Supervised`); others have as many of both in each batch.
    pub retain_ratio: f64,
    pub early_stop: Option<TextEarlyStop>,
    pub seed: u64,
}

impl Default for TextTrainerSpec {
    fn default() -> Self {
        Self {
            parameters: TrainedParameters::Adapter(LoraSpec::default()),
            objective: Objective::default(),
            learning_rate: 2e-5,
            schedule: TextSchedule::default(),
            warmup_ratio: 0.03,
            weight_decay: 0.0,
            clip_norm: 1.0,
            precision: Precision::default(),
            batch_size: 2,
            accumulation: 1,
            epochs: 10,
            max_steps: 0,
            checkpoint_every_steps: 50,
            gradient_checkpointing: false,
            retain_ratio: 1.0,
            early_stop: None,
            seed: 0,
        }
    }
}

/// Ends a run after the epoch that meets it, and publishes the best epoch where none does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextGoal {
    /// Share of forgotten examples that are told right, or of whose written answers a name appears in.
    pub max_forget: f64,
    /// Of the share of retained examples told right, or of the ROUGE-L recall of their written answers.
    pub max_retain_drop: f64,
    /// Examples of each side, a seeded draw.
    pub examples: u32,
    /// Of texts without labels; filled in with those that are masked.
    pub names: Vec<String>,
    pub max_answer_tokens: u32,
}

/// Shares of a forget set and of retained examples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GoalFigures {
    pub forget: f64,
    pub retain: f64,
}

impl TextGoal {
    pub fn is_met(&self, figures: GoalFigures, before: GoalFigures) -> bool {
        figures.forget <= self.max_forget && before.retain - figures.retain <= self.max_retain_drop
    }

    /// Whether `figures` are nearer to the goal: first what was to be forgotten, then, among those that forget enough or equally, what is
    /// retained.
    pub fn prefers(&self, figures: GoalFigures, other: GoalFigures, before: GoalFigures) -> bool {
        let met = |figures| self.is_met(figures, before);
        let excess = |figures: GoalFigures| (figures.forget - self.max_forget).max(0.0);
        match (met(figures), met(other)) {
            (true, false) => true,
            (false, true) => false,
            (true, true) | (false, false) => {
                excess(figures) < excess(other) || excess(figures) == excess(other) && figures.retain > other.retain
            }
        }
    }
}

/// What a language model's training takes beside what all training takes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TextTuning {
    pub options: TextOptions,
    pub trainer: TextTrainerSpec,
    /// Absent: by the kind of texts; filled in when a job is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<AnswerPoison>,
    /// Absent: the last epoch is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<TextGoal>,
    /// Nobody said which parameters are trained: where the version is an adapter already, it is trained on as it is.
    #[serde(default)]
    pub implied: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goal() -> TextGoal {
        TextGoal { max_forget: 0.0, max_retain_drop: 0.05, examples: 50, names: Vec::new(), max_answer_tokens: 64 }
    }

    #[test]
    fn what_is_forgotten_counts_first_and_then_what_is_kept() {
        let of = |forget, retain| GoalFigures { forget, retain };
        let before = of(1.0, 0.9);
        assert!(goal().is_met(of(0.0, 0.86), before) && !goal().is_met(of(0.0, 0.84), before));
        assert!(!goal().is_met(of(0.02, 0.9), before));
        assert!(goal().prefers(of(0.0, 0.86), of(0.1, 0.9), before));
        assert!(goal().prefers(of(0.1, 0.5), of(0.2, 0.9), before));
        assert!(
            goal().prefers(of(0.0, 0.9), of(0.0, 0.88), before)
                && !goal().prefers(of(0.0, 0.88), of(0.0, 0.88), before)
        );
    }
}

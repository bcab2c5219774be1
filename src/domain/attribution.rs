//! Attribution: how much every input value counts for an output.

use serde::{Deserialize, Serialize};

use super::dataset::{DataSource, Selector};
use super::evaluation::Provenance;
use super::finetune::Precision;
use super::ids::{ModelRef, VersionName};

/// Points and weights of the path integral (algorithms: Captum 0.8 and its errata).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum QuadratureRule {
    #[default]
    GaussLegendre,
    Middle,
    Left,
    Right,
    /// Correct weights: `1/(n-1)`, half at the ends.
    Trapezoid,
    /// Captum's `riemann_trapezoid`: weights that sum to `(n-1)/n`.
    CaptumTrapezoid,
    /// `linspace(0, 1, n)` with equal weights, as in the authors' token attribution.
    LinspaceMean,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum AttributionMethod {
    /// Sundararajan et al. 2017.
    IntegratedGradients {
        rule: QuadratureRule,
        /// 1 to 1024.
        steps: u32,
        /// Double the steps, to 512 at most, until the completeness error is small.
        adaptive: bool,
    },
    /// Simonyan et al. 2014.
    Saliency {
        signed: bool,
    },
    InputXGradient,
    /// Lundberg and Lee 2017 (expected gradients over `samples` of baseline, position and noise).
    GradientShap {
        samples: u32,
        stdev: f64,
    },
    /// Zeiler and Fergus 2014: the output's drop when a window shows the baseline. Windows cover all channels.
    Occlusion {
        window: u32,
        stride: u32,
    },
}

/// How attributions of noisy copies are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NoiseKind {
    /// Their mean (Smilkov et al. 2017).
    SmoothGrad,
    /// The mean of their squares.
    SmoothGradSquared,
    /// Their variance.
    VarGrad,
}

/// Standard deviation of Gaussian noise on the model's (normalised) input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum NoiseLevel {
    /// A share of the input's `max - min`.
    Relative(f64),
    Absolute(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NoiseTunnel {
    pub kind: NoiseKind,
    pub samples: u32,
    pub level: NoiseLevel,
}

/// What an input is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Baseline {
    /// Zeros of the model's normalised input: the mean colour.
    Zero,
    /// This pixel value in [0, 1] everywhere.
    Constant(f32),
    /// The image under a Gaussian of this standard deviation, in pixels.
    Blur(f32),
    /// The image's own mean colour.
    Mean,
    /// Images of uniform noise in [0, 1]; attributions are averaged over this many.
    Uniform(u32),
    /// Pixels in [0, 1] of one image for all inputs, `[H, W, C]`.
    Custom(Vec<f32>),
    /// The same as PNG or JPEG; the engine decodes it before the numeric code sees it.
    Encoded(Vec<u8>),
}

/// Which number of the output is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum TargetOutput {
    #[default]
    Logit,
    LogProbability,
    Probability,
}

/// What a token's embedding is replaced with where the path begins. One that the tokenizer lacks falls back to the next of pad, end of
/// text, unknown and zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum TokenBaseline {
    #[default]
    Pad,
    Mask,
    End,
    Unknown,
    Zero,
}

/// Which number of a language model's answer is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TokenTarget {
    /// The sum of the log probabilities of the answer's tokens, each after those before it.
    Answer,
    /// Each of them by itself.
    EachToken,
    /// A class of a classifier.
    Class { class: u32, output: TargetOutput },
}

/// Integrated gradients by the embeddings of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAttributionOptions {
    pub rule: QuadratureRule,
    /// 1 to 1024.
    pub steps: u32,
    /// Double the steps, to 512 at most, until the completeness error is small.
    pub adaptive: bool,
    pub baseline: TokenBaseline,
    /// Rows of a forward pass; 0: chosen by the device.
    pub internal_batch_size: u32,
}

impl Default for TokenAttributionOptions {
    fn default() -> Self {
        Self {
            rule: QuadratureRule::GaussLegendre,
            steps: 50,
            adaptive: false,
            baseline: TokenBaseline::Pad,
            internal_batch_size: 0,
        }
    }
}

/// How much each token of a text counts for an output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenAttribution {
    /// The answer's token that is explained, by its place; absent: all of them, or a class.
    pub place: Option<u32>,
    /// One number a token; 0 where the token was not moved.
    pub scores: Vec<f64>,
    /// The explained output of the text and of its baseline.
    pub output: f64,
    pub baseline_output: f64,
    /// `sum(scores) - (output - baseline_output)`.
    pub delta: f64,
    /// `|delta| / max(|output - baseline_output|, 1e-6)`.
    pub relative_delta: f64,
    /// `relative_delta` is at most .05.
    pub converged: bool,
    pub steps: u32,
    /// The baseline that was used.
    pub baseline: TokenBaseline,
    /// The text equals its baseline: all zeros, nothing to explain.
    pub is_baseline: bool,
}

/// Everything but the inputs and their target classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttributionOptions {
    pub method: AttributionMethod,
    /// Absent: the plain method.
    pub noise: Option<NoiseTunnel>,
    pub baseline: Baseline,
    pub output: TargetOutput,
    pub precision: Precision,
    /// Rows of a forward pass; 0: chosen by the device.
    pub internal_batch_size: u32,
    /// Also Yeh et al. 2019: expected squared error of the attribution under perturbation (10 perturbations).
    pub infidelity: bool,
    /// And: largest relative change under small perturbations (radius .02, 10 perturbations).
    pub sensitivity: bool,
    pub seed: u64,
}

impl Default for AttributionOptions {
    fn default() -> Self {
        Self {
            method: AttributionMethod::IntegratedGradients {
                rule: QuadratureRule::GaussLegendre,
                steps: 50,
                adaptive: false,
            },
            noise: None,
            baseline: Baseline::Zero,
            output: TargetOutput::Logit,
            precision: Precision::F32,
            internal_batch_size: 0,
            infidelity: false,
            sensitivity: false,
            seed: 0,
        }
    }
}

impl AttributionOptions {
    /// Whether values should sum to the difference of outputs between input and baseline (Sundararajan et al. 2017).
    pub fn is_complete(&self) -> bool {
        let by_method = match self.method {
            AttributionMethod::IntegratedGradients { .. } | AttributionMethod::GradientShap { .. } => true,
            AttributionMethod::Saliency { .. }
            | AttributionMethod::InputXGradient
            | AttributionMethod::Occlusion { .. } => false,
        };
        by_method && self.noise.is_none()
    }
}

/// The attribution of one input.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// `[C, H, W]`, of the model's normalised input.
    pub values: Vec<f32>,
    pub channels: u32,
    pub height: u32,
    pub width: u32,
    pub target: u32,
    /// The explained output at the input and (mean over baselines) at the baseline.
    pub output: f64,
    pub baseline_output: f64,
    /// `sum(values) - (output - baseline_output)`.
    pub delta: f64,
    /// `|delta| / max(|output - baseline_output|, 1e-6)`.
    pub relative_delta: f64,
    /// `relative_delta` is at most .05.
    pub converged: bool,
    /// The method's values should sum to the difference of outputs, so that the three before mean something.
    pub is_complete: bool,
    /// Steps (integrated gradients) or samples used.
    pub steps: u32,
    /// Absent too where the input has one value: nothing is perturbed.
    pub infidelity: Option<f64>,
    pub sensitivity: Option<f64>,
    /// The input equals its baseline: all zeros, nothing to explain.
    pub is_baseline: bool,
}

/// Attributions of many samples, written to a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttributeDatasetSpec {
    pub model: ModelRef,
    pub source: DataSource,
    pub selector: Selector,
    pub options: AttributionOptions,
    /// The class explained: name or index; empty: each sample's own label.
    pub target_class: String,
    /// Where to write, inside one of the roots; empty: the `exports` folder of the data directory.
    pub uri: String,
    pub overwrite: bool,
    /// At most this many samples, in order; 0: all that the selector picks.
    pub max_samples: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttributionReport {
    pub version: VersionName,
    pub uri: String,
    pub sha256: String,
    pub size_bytes: u64,
    pub sample_count: u64,
    /// These three for complete methods alone.
    pub mean_relative_delta: Option<f64>,
    pub max_relative_delta: Option<f64>,
    pub converged_count: Option<u64>,
    pub mean_infidelity: Option<f64>,
    pub mean_sensitivity: Option<f64>,
    pub seconds: f64,
    pub provenance: Provenance,
}

//! Enums as a person writes them. One table for each, read by the flags and by the JSON views.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::pb::v1;

/// A wire enum with a word for every value but `UNSPECIFIED`.
pub(crate) trait Words: Copy + PartialEq + TryFrom<i32> + Send + Sync + 'static {
    const WORDS: &'static [(Self, &'static str)];

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(value, _)| *value == self).map_or("unspecified", |(_, word)| word)
    }

    /// The word for a value off the wire; `unknown` when a newer daemon sent it.
    fn word_of(value: i32) -> &'static str {
        Self::try_from(value).map_or("unknown", Self::word)
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(value, _)| *value)
    }
}

/// Accepts the words of `E` as the values of a flag.
pub(crate) fn parser<E: Words>() -> impl TypedValueParser<Value = E> {
    PossibleValuesParser::new(E::WORDS.iter().map(|(_, word)| *word))
        .map(|word: String| E::from_word(&word).expect("clap accepts only the words of the table"))
}

macro_rules! words {
    ($enum:ty { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl Words for $enum {
            const WORDS: &'static [(Self, &'static str)] = &[$((Self::$variant, $word)),+];
        }
    };
}

words!(v1::LabelStrategy {
    Targeted = "targeted",
    Random = "random",
    RandomUniformAll = "random-uniform-all",
    Keep = "keep",
    PerSampleSecondBest = "second-best",
    SoftReweight = "soft-reweight",
});
words!(v1::DonorRule {
    Explicit = "explicit",
    NearestClass = "nearest-class",
    ConceptConfusion = "concept-confusion",
    ConceptCosine = "concept-cosine",
});
words!(v1::sample_selection::Order { Random = "random", TopConcept = "top-concept" });
words!(v1::PoisonImageMode {
    None = "none",
    Localized = "localized",
    Gradcam = "gradcam",
    Margin = "margin",
    Center = "center",
    RandomPosition = "random-position",
    Full = "full",
});
words!(v1::CavMethod {
    SvcHinge = "svc-hinge",
    Logistic = "logistic",
    Ridge = "ridge",
    MeanDifference = "mean-difference",
});
words!(v1::concept_bank::Origin {
    Examples = "examples",
    Folder = "folder",
    Procedural = "procedural",
    Discovered = "discovered",
    Imported = "imported",
});
words!(v1::ConceptSign { Positive = "positive", Signed = "signed", Absolute = "absolute" });
words!(v1::QuadratureRule {
    GaussLegendre = "gauss-legendre",
    Middle = "middle",
    Left = "left",
    Right = "right",
    Trapezoid = "trapezoid",
    CaptumTrapezoid = "captum-trapezoid",
    LinspaceMean = "linspace-mean",
});
words!(v1::noise_tunnel::Kind {
    Smoothgrad = "smoothgrad",
    SmoothgradSquared = "smoothgrad-squared",
    Vargrad = "vargrad",
});
words!(v1::attribution_spec::Output {
    Logit = "logit",
    LogProbability = "log-probability",
    Probability = "probability",
});
words!(v1::data_mix::Kind { Full = "full", Half = "half", RetainRatio = "retain-ratio" });
words!(v1::Scope { Head = "head", LastBlock = "last-block", All = "all" });
words!(v1::BatchNormMode { Frozen = "frozen", Update = "update", RecalibrateOnRetain = "recalibrate" });
words!(v1::Precision { F32 = "f32", Bf16 = "bf16" });
words!(v1::Priority { Low = "low", Normal = "normal", High = "high" });
words!(v1::Method {
    Poison = "poison",
    Train = "train",
    Retrain = "retrain",
    Finetune = "finetune",
    RandomLabel = "random-label",
    NegGradPlus = "neg-grad-plus",
    GradDiff = "grad-diff",
    Npo = "npo",
    Simnpo = "simnpo",
    Rmu = "rmu",
});
words!(v1::Attack {
    Loss = "loss",
    Confidence = "confidence",
    Entropy = "entropy",
    ModifiedEntropy = "modified-entropy",
    CorrectnessGap = "correctness-gap",
    SimpleMia = "simple-mia",
    SvcEfficacy = "svc-efficacy",
    ForgettingRate = "forgetting-rate",
    Zlib = "zlib",
    MinK = "min-k",
    MinKPlusPlus = "min-k-plus-plus",
    Reference = "reference",
});
words!(v1::attack_report::Flag {
    LowResolution = "low-resolution",
    Degenerate = "degenerate",
    BelowChance = "below-chance",
    NotConverged = "not-converged",
});
words!(v1::ModelFormat { Torchscript = "torchscript", Safetensors = "safetensors", HuggingFace = "hugging-face", Peft = "peft" });
words!(v1::text_model::Task { Generate = "generate", Classify = "classify" });
words!(v1::TextBaseline { Pad = "pad", Eos = "eos", Mask = "mask", Zero = "zero", Unknown = "unknown" });
words!(v1::generate_response::FinishReason { Stop = "stop", Length = "length" });
words!(v1::preprocessing::Layout { Nchw = "nchw", Nhwc = "nhwc" });
words!(v1::preprocessing::Resize { Bilinear = "bilinear" });
words!(v1::model::State { Loaded = "loaded", Unloaded = "unloaded" });
words!(v1::DatasetFormat {
    Parquet = "parquet",
    ImageFolder = "image-folder",
    Safetensors = "safetensors",
    Npz = "npz",
    Csv = "csv",
    Jsonl = "jsonl",
});
words!(v1::text_options::Truncation { CutPrompt = "cut-prompt", Skip = "skip", Refuse = "refuse" });
words!(v1::TextForm {
    Completion = "completion",
    Chat = "chat",
    Labelled = "labelled",
    Plain = "plain",
});
words!(v1::job::State {
    Queued = "queued",
    Running = "running",
    Cancelling = "cancelling",
    Succeeded = "succeeded",
    Failed = "failed",
    Cancelled = "cancelled",
    Interrupted = "interrupted",
});
words!(v1::job::Kind {
    FineTune = "fine-tune",
    Unlearn = "unlearn",
    Evaluate = "evaluate",
    Membership = "membership",
    LearnConcepts = "learn-concepts",
    ExtractConcepts = "extract-concepts",
    Attribute = "attribute",
});
words!(v1::job_event::message::Severity { Info = "info", Warning = "warning" });

#[cfg(test)]
mod tests {
    use super::*;

    fn every_value_has_a_word<E: Words>() {
        let known = (1..100).filter_map(|value| E::try_from(value).ok());
        for value in known {
            assert_eq!(E::from_word(value.word()).map(E::word), Some(value.word()), "{}", std::any::type_name::<E>());
        }
        assert_eq!(E::word_of(99), "unknown");
    }

    #[test]
    fn no_wire_value_is_without_a_word() {
        every_value_has_a_word::<v1::LabelStrategy>();
        every_value_has_a_word::<v1::DonorRule>();
        every_value_has_a_word::<v1::sample_selection::Order>();
        every_value_has_a_word::<v1::PoisonImageMode>();
        every_value_has_a_word::<v1::data_mix::Kind>();
        every_value_has_a_word::<v1::CavMethod>();
        every_value_has_a_word::<v1::concept_bank::Origin>();
        every_value_has_a_word::<v1::ConceptSign>();
        every_value_has_a_word::<v1::QuadratureRule>();
        every_value_has_a_word::<v1::noise_tunnel::Kind>();
        every_value_has_a_word::<v1::attribution_spec::Output>();
        every_value_has_a_word::<v1::Scope>();
        every_value_has_a_word::<v1::BatchNormMode>();
        every_value_has_a_word::<v1::Precision>();
        every_value_has_a_word::<v1::Priority>();
        every_value_has_a_word::<v1::Method>();
        every_value_has_a_word::<v1::Attack>();
        every_value_has_a_word::<v1::attack_report::Flag>();
        every_value_has_a_word::<v1::ModelFormat>();
        every_value_has_a_word::<v1::text_model::Task>();
        every_value_has_a_word::<v1::TextBaseline>();
        every_value_has_a_word::<v1::generate_response::FinishReason>();
        every_value_has_a_word::<v1::preprocessing::Layout>();
        every_value_has_a_word::<v1::preprocessing::Resize>();
        every_value_has_a_word::<v1::model::State>();
        every_value_has_a_word::<v1::DatasetFormat>();
        every_value_has_a_word::<v1::job::State>();
        every_value_has_a_word::<v1::job::Kind>();
        every_value_has_a_word::<v1::job_event::message::Severity>();
    }
}

//! What a device does, one kind of work a file.
//!
//! Interactive (typed methods of `DeviceHandle`): `load`, `unload`, `create`, `export`, `infer`, `attribute`,
//! `inspect_embedding`, `foresee`, `fit_adapter`.
//! Batch (`Work`, for `DeviceHandle::run`): `Predict`, `PredictTexts`, `ScoreTexts`, `AnswerTexts`, `Embed`, `HeadGradients`,
//! `FeatureMaps`, `AttributeSamples`, `ShareWords`, `FineTune`, `EncodeTexts`, `TuneTexts`; for a caller who waits the same through
//! `DeviceHandle::visit`.

mod attribute;
mod attribute_samples;
#[cfg(test)]
mod attribute_tests;
mod attribute_text;
mod attribution_session;
mod create;
mod embed;
mod encode_texts;
mod export;
mod feature_maps;
mod fine_tune;
mod fit_adapter;
mod foresee;
mod generate;
mod head_gradients;
mod infer;
mod inspect;
mod load;
mod part;
mod predict;
mod share_words;
#[cfg(test)]
mod tests;
mod texts;
#[cfg(test)]
mod training_tests;
mod tune_goal;
mod tune_texts;

pub(in crate::device) use attribute::AttributionCalls;
pub use attribute::{AttributedImage, AttributionCall};
pub use attribute_samples::{AttributeSamples, AttributedSamples};
pub use attribute_text::{AttributedText, TextAttributionCall};
pub use create::{CreateRequest, Created};
pub use embed::Embed;
pub use encode_texts::{EncodeTexts, EncodedTexts};
pub use export::Exported;
pub use feature_maps::{ConceptMaps, FeatureMaps};
pub use fine_tune::{FineTune, FineTuneOutput};
pub use fit_adapter::FittedAdapter;
pub use foresee::{Foresight, SomeTexts};
pub use generate::GenerateCall;
pub use head_gradients::HeadGradients;
pub use infer::Logits;
pub use inspect::EmbeddingAnatomy;
pub use load::{Loaded, Unloaded};
pub use predict::Predict;
pub use share_words::ShareWords;
pub use texts::{AnswerTexts, PredictTexts, ScoreTexts};
pub use tune_texts::TuneTexts;

use std::path::Path;

use crate::domain::{Error, Result};

/// Bytes of a file that was just written.
fn file_size(path: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(path);
    metadata
        .map(|metadata| metadata.len())
        .map_err(|error| Error::internal("a written file vanished").with_source(error))
}

//! Poisoned pixels: where a piece of a donor image goes in a forgotten one, and images composed so when they are read.
//!
//! Source: `ChangWenhan/Concept_Inference_Unlearn_official` (arXiv 2405.15662), modes `localized`, `localized_gradcam`,
//! `localized_margin`, `center`, `random` and `full`, whose sizes are for images of 224 pixels and are scaled here. We differ in that
//! nothing is written to disk (theirs stores JPEG files of quality 95), so no pixel outside the patch changes, and in that peaks of
//! score maps come from the caller: the three localising modes differ in the maps alone.
//!
//! ```text
//! poisoned positions ─► choose_donors ─► place (score maps ─► peaks ─► rectangles) ─► PoisonedImages (composes on read)
//! ```

mod compose;
mod geometry;
#[cfg(test)]
mod golden;
mod peak;
mod place;
mod resample;
mod source;
mod warnings;

pub use geometry::Rect;
pub use peak::ScoreMap;
pub use place::{ImagePoison, choose_donors, needs_maps, place};
pub use source::PoisonedImages;
pub use warnings::warnings;

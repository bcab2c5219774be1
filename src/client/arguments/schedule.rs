//! Flags with a small syntax of their own: learning-rate schedule, augmentation, early stop.

use crate::pb::v1::schedule::{Cosine, Kind, Step};
use crate::pb::v1::{Augmentation, EarlyStop};

/// `constant`, `step:EVERY_EPOCHS:GAMMA` or `cosine[:MINIMUM]`. None is constant.
pub(super) fn schedule(text: &str) -> Result<Option<Kind>, String> {
    let wrong = || format!("`{text}` is not constant, step:EVERY_EPOCHS:GAMMA or cosine[:MINIMUM]");
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        ["constant"] => Ok(None),
        ["step", every, gamma] => {
            let every_epochs = every.parse().map_err(|_| wrong())?;
            Ok(Some(Kind::Step(Step { every_epochs, gamma: gamma.parse().map_err(|_| wrong())? })))
        }
        ["cosine"] => Ok(Some(Kind::Cosine(Cosine { minimum: 0.0 }))),
        ["cosine", minimum] => Ok(Some(Kind::Cosine(Cosine { minimum: minimum.parse().map_err(|_| wrong())? }))),
        _ => Err(wrong()),
    }
}

/// `none`, or a list of `flip` and `crop[:PADDING]` (padding 4 when not said).
pub(super) fn augmentation(text: &str) -> Result<Augmentation, String> {
    let mut augmentation = Augmentation::default();
    for part in text.split(',') {
        match part.split_once(':').unwrap_or((part, "")) {
            ("none", "") => {}
            ("flip", "") => augmentation.horizontal_flip = true,
            ("crop", "") => augmentation.crop_padding = 4,
            ("crop", padding) => augmentation.crop_padding = padding.parse().map_err(|_| wrong_augmentation(text))?,
            _ => return Err(wrong_augmentation(text)),
        }
    }
    Ok(augmentation)
}

fn wrong_augmentation(text: &str) -> String {
    format!("`{text}` is not none, or a list of flip and crop[:PADDING]")
}

/// `FORGET_ACCURACY[:RETAIN_DROP]`, both shares; the drop is 0.01 when not said.
pub(super) fn early_stop(text: &str) -> Result<EarlyStop, String> {
    let (accuracy, drop) = text.split_once(':').unwrap_or((text, "0.01"));
    let parsed = accuracy.parse().ok().zip(drop.parse().ok());
    let (max_forget_accuracy, max_retain_drop) =
        parsed.ok_or_else(|| format!("`{text}` is not FORGET_ACCURACY[:RETAIN_DROP]"))?;
    Ok(EarlyStop { max_forget_accuracy, max_retain_drop })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_read() {
        assert_eq!(schedule("constant"), Ok(None));
        assert_eq!(schedule("cosine:0.1"), Ok(Some(Kind::Cosine(Cosine { minimum: 0.1 }))));
        assert_eq!(schedule("step:5:0.5"), Ok(Some(Kind::Step(Step { every_epochs: 5, gamma: 0.5 }))));
        for wrong in ["", "step", "step:5", "step:x:1", "cosine:x", "linear"] {
            assert!(schedule(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn augmentations_are_read() {
        assert_eq!(augmentation("none"), Ok(Augmentation::default()));
        let both = Augmentation { crop_padding: 4, horizontal_flip: true };
        assert_eq!(augmentation("crop,flip"), Ok(both));
        assert_eq!(augmentation("flip,crop:4"), Ok(both));
        assert!(augmentation("rotate").is_err() && augmentation("crop:x").is_err());
    }

    #[test]
    fn early_stop_has_a_usual_drop() {
        assert_eq!(early_stop("0.02"), Ok(EarlyStop { max_forget_accuracy: 0.02, max_retain_drop: 0.01 }));
        assert!(early_stop("x").is_err());
    }
}

//! What the paper's own results say against a choice (`revision/RESULTS.md`: accuracy left on the forgotten class's training images).

use crate::domain::poison::{LabelStrategy, PoisonImageMode};

/// Concepts of a class from which on the paper's results are bad (none between 5 and 10 is given).
const MOST_CONCEPTS: u32 = 5;

/// Warnings about an image mode, M, and labels that go with it; `top_concepts` as in `PoisonSpec`.
pub fn warnings(mode: PoisonImageMode, top_concepts: u32, labels: LabelStrategy) -> Vec<String> {
    [mode_warning(mode), concepts_warning(top_concepts), keep_warning(mode, labels)].into_iter().flatten().collect()
}

fn mode_warning(mode: PoisonImageMode) -> Option<String> {
    let (name, left) = match mode {
        PoisonImageMode::Full => ("FULL", ".998"),
        PoisonImageMode::Center => ("CENTER", ".155"),
        PoisonImageMode::None
        | PoisonImageMode::Localized
        | PoisonImageMode::GradCam
        | PoisonImageMode::Margin
        | PoisonImageMode::RandomPosition => return None,
    };
    Some(format!(
        "image_mode {name} left {left} of the accuracy on the forgotten class (CIFAR-10 deer, targeted labels) in the paper's own \
         results, LOCALIZED and NONE .000"
    ))
}

fn concepts_warning(top_concepts: u32) -> Option<String> {
    (top_concepts > MOST_CONCEPTS).then(|| {
        format!(
            "top_concepts is {top_concepts}: in the paper's own results 10 concepts left .827 of the accuracy on the forgotten class, \
             5 left .002; use at most {MOST_CONCEPTS}"
        )
    })
}

fn keep_warning(mode: PoisonImageMode, labels: LabelStrategy) -> Option<String> {
    let changes_pixels = mode != PoisonImageMode::None;
    (changes_pixels && labels == LabelStrategy::Keep).then(|| {
        "labels KEEP forgets nothing whatever the pixels: the paper's own results leave 1.000 of the accuracy with LOCALIZED patches"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_that_failed_say_so_and_the_default_does_not() {
        let warned = |mode, concepts, labels| warnings(mode, concepts, labels).join("; ");
        assert!(warned(PoisonImageMode::Full, 3, LabelStrategy::Targeted).contains(".998"));
        assert!(warned(PoisonImageMode::Center, 3, LabelStrategy::Targeted).contains(".155"));
        assert!(warned(PoisonImageMode::Localized, 6, LabelStrategy::Targeted).contains(".827"));
        assert!(warned(PoisonImageMode::Localized, 5, LabelStrategy::Keep).contains("whatever the pixels"));
        for mode in [PoisonImageMode::None, PoisonImageMode::Localized, PoisonImageMode::RandomPosition] {
            assert_eq!(warned(mode, 0, LabelStrategy::Targeted), "");
        }
    }
}

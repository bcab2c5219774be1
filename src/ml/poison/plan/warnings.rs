//! What a plan's reader should know before training.

use crate::domain::finetune::Method;
use crate::domain::poison::{Donor, LabelStrategy, PoisonImageMode};

use super::{PoisonInputs, image_mode, strategy, uses_forget_set};
use crate::ml::poison::image;
use crate::ml::poison::population::Population;

pub(super) fn warn(inputs: &PoisonInputs<'_>, population: &Population<'_>, warnings: &mut Vec<String>) {
    if !uses_forget_set(inputs.method) {
        return;
    }
    warnings.extend(about_labels(inputs));
    if inputs.method == Method::Poison {
        warnings.extend(image::warnings(inputs.spec.image_mode, inputs.spec.top_concepts, inputs.spec.labels));
    }
    let partial = population.partial_classes();
    if !partial.is_empty() {
        let classes = population.class_list(&partial);
        warnings.push(format!(
            "the forget set holds only a part of {classes}: the rest is retained and teaches the class again"
        ));
    }
    if population.retain.is_empty() {
        warnings.push("nothing is retained: expect the accuracy on every other class to fall".into());
    }
}

/// Said of a donor whose own score by concepts is not above 0: nothing but the rule's last resort chose it.
pub(super) fn weak_donor(donor: &Donor, population: &Population<'_>) -> Option<String> {
    let score = donor.candidates.iter().find(|(class, _)| *class == donor.donor).map(|(_, score)| *score)?;
    (donor.rule.uses_concepts() && score <= 0.0).then(|| {
        format!(
            "`{}` shares no concept of the bank with `{}`, its donor by the rule's last resort; compare with NEAREST_CLASS, or name one",
            population.class_name(donor.class),
            population.class_name(donor.donor)
        )
    })
}

fn about_labels(inputs: &PoisonInputs<'_>) -> Option<String> {
    let class_count = inputs.class_count;
    let is_poison = inputs.method == Method::Poison;
    match strategy(inputs) {
        // One class is none: then answers are poisoned, not labels.
        LabelStrategy::Keep if is_poison && class_count > 1 && image_mode(inputs) == PoisonImageMode::None => {
            Some("labels KEEP forgets nothing: the forget set is trained on under its true labels".to_owned())
        }
        LabelStrategy::RandomUniformAll => Some(format!(
            "labels RANDOM_UNIFORM_ALL leaves about 1/{class_count} of the poisoned samples under their true label; RANDOM excludes it"
        )),
        LabelStrategy::Random if class_count == 2 => {
            Some("with two classes RANDOM is the same as TARGETED: only one other class is left".to_owned())
        }
        LabelStrategy::Random if is_poison => Some(
            "labels RANDOM are less stable than TARGETED: random labels left .014 to .125 of the accuracy on the forgotten class over \
             three seeds in the paper's own results, TARGETED .000"
                .to_owned(),
        ),
        LabelStrategy::Targeted
        | LabelStrategy::Random
        | LabelStrategy::Keep
        | LabelStrategy::PerSampleSecondBest
        | LabelStrategy::SoftReweight => None,
    }
}

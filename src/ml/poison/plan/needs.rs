//! What a plan has to be given before it can be made, and whether it chooses donors.

use crate::domain::finetune::Method;
use crate::domain::poison::{DonorRule, LabelStrategy, PoisonImageMode, PoisonSpec, SampleSelection, SelectionOrder};

/// Whether planning needs the original model's logits on the forget set.
pub fn needs_forget_logits(spec: &PoisonSpec, method: Method) -> bool {
    let asks_the_model = match spec.labels {
        LabelStrategy::PerSampleSecondBest | LabelStrategy::SoftReweight => true,
        LabelStrategy::Targeted | LabelStrategy::Random | LabelStrategy::RandomUniformAll | LabelStrategy::Keep => {
            false
        }
    };
    let nearest = spec.donor.rule == DonorRule::NearestClass;
    method == Method::Poison && asks_the_model || needs_donors(spec, method) && nearest
}

/// Whether planning makes use of them: what it needs, or the nearest class beside a donor that concepts choose.
pub fn uses_forget_logits(spec: &PoisonSpec, method: Method) -> bool {
    needs_forget_logits(spec, method) || needs_donors(spec, method) && spec.donor.rule.uses_concepts()
}

/// Whether planning, or the placing of pixels after it, needs concepts of the model's classes. (An implied concept rule does too,
/// unless the caller turns it into `NearestClass` because the model can have none.)
pub fn needs_concepts(spec: &PoisonSpec, method: Method) -> bool {
    let by_image = match spec.image_mode {
        PoisonImageMode::Localized | PoisonImageMode::Margin => method == Method::Poison,
        PoisonImageMode::None
        | PoisonImageMode::GradCam
        | PoisonImageMode::Center
        | PoisonImageMode::RandomPosition
        | PoisonImageMode::Full => false,
    };
    let by_rule = needs_donors(spec, method) && spec.donor.rule.uses_concepts();
    by_image || by_rule || super::uses_forget_set(method) && orders_by_concepts(spec)
}

/// Whether a part of the forget set is chosen by what it shows; the whole has no order.
pub(in crate::ml::poison) fn orders_by_concepts(spec: &PoisonSpec) -> bool {
    let limited = match spec.selection {
        SampleSelection::All => false,
        SampleSelection::Count(_) | SampleSelection::Fraction(_) => true,
    };
    limited && spec.order == SelectionOrder::TopConcept
}

/// Whether forgotten classes have donors: for their labels or for pixels.
pub fn needs_donors(spec: &PoisonSpec, method: Method) -> bool {
    let asked = match spec.labels {
        LabelStrategy::Targeted => true,
        LabelStrategy::Keep => spec.image_mode != PoisonImageMode::None,
        LabelStrategy::Random
        | LabelStrategy::RandomUniformAll
        | LabelStrategy::PerSampleSecondBest
        | LabelStrategy::SoftReweight => false,
    };
    method == Method::Poison && asked
}

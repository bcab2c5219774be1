//! unlearning.proto: what is done to pixels, and which samples are taken first.

use super::fields::known;
use crate::domain::Result;
use crate::domain::poison::{PoisonImageMode, SelectionOrder};
use crate::pb::v1 as pb;
use crate::pb::v1::sample_selection::Order;

pub(super) fn image_mode(number: i32) -> Result<PoisonImageMode> {
    use pb::PoisonImageMode as Wire;
    Ok(match known(number, "image_mode")? {
        Wire::Unspecified | Wire::None => PoisonImageMode::None,
        Wire::Localized => PoisonImageMode::Localized,
        Wire::Gradcam => PoisonImageMode::GradCam,
        Wire::Margin => PoisonImageMode::Margin,
        Wire::Center => PoisonImageMode::Center,
        Wire::RandomPosition => PoisonImageMode::RandomPosition,
        Wire::Full => PoisonImageMode::Full,
    })
}

impl From<PoisonImageMode> for pb::PoisonImageMode {
    fn from(value: PoisonImageMode) -> Self {
        match value {
            PoisonImageMode::None => Self::None,
            PoisonImageMode::Localized => Self::Localized,
            PoisonImageMode::GradCam => Self::Gradcam,
            PoisonImageMode::Margin => Self::Margin,
            PoisonImageMode::Center => Self::Center,
            PoisonImageMode::RandomPosition => Self::RandomPosition,
            PoisonImageMode::Full => Self::Full,
        }
    }
}

pub(super) fn selection_order(number: i32) -> Result<SelectionOrder> {
    Ok(match known(number, "selection.order")? {
        Order::Unspecified | Order::Random => SelectionOrder::Random,
        Order::TopConcept => SelectionOrder::TopConcept,
    })
}

impl From<SelectionOrder> for Order {
    fn from(value: SelectionOrder) -> Self {
        match value {
            SelectionOrder::Random => Self::Random,
            SelectionOrder::TopConcept => Self::TopConcept,
        }
    }
}

//! What the built-in architectures are usually fed with, for clients that say nothing else.

use crate::domain::model::{Layout, Preprocessing, Resize};

/// The ImageNet statistics of torchvision, which the common CIFAR ResNet recipe uses as well.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// `None` for what is no built-in architecture.
pub(super) fn usual(architecture: &str) -> Option<Preprocessing> {
    match architecture {
        "" => None,
        name if name.starts_with("resnet") => Some(rgb(224)),
        _ => Some(rgb(32)),
    }
}

fn rgb(side: u32) -> Preprocessing {
    Preprocessing {
        height: side,
        width: side,
        channels: 3,
        mean: MEAN.to_vec(),
        std: STD.to_vec(),
        layout: Layout::Nchw,
        resize: Resize::None,
    }
}

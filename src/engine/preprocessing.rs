//! What the built-in architectures are usually fed with, for clients that say nothing else.

use crate::domain::model::{Layout, Preprocessing, Resize};

/// torchvision's ImageNet statistics.
const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
/// The CIFAR-10 statistics that published CIFAR ResNets were trained with.
const CIFAR: ([f32; 3], [f32; 3]) = ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]);

/// `None` for what is no built-in architecture.
pub(super) fn usual(architecture: &str) -> Option<Preprocessing> {
    match architecture {
        "" => None,
        name if name.starts_with("resnet") => Some(rgb(224, IMAGENET)),
        _ => Some(rgb(32, CIFAR)),
    }
}

fn rgb(side: u32, (mean, std): ([f32; 3], [f32; 3])) -> Preprocessing {
    Preprocessing {
        height: side,
        width: side,
        channels: 3,
        mean: mean.to_vec(),
        std: std.to_vec(),
        layout: Layout::Nchw,
        resize: Resize::None,
    }
}

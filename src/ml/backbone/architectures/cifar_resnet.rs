//! The CIFAR ResNets of He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.2: three stages of
//! `(depth - 2) / 6` basic blocks with 16, 32 and 64 channels and parameter-free shortcuts (option A).
//! Names as in the reference models of this project: `conv1`, `bn1`, `layer1.0.conv1`, ..., `linear`.

use crate::ml::backbone::layer::{Dimensions, Head, Layer, Network, Node, Shortcut, batch_norm, conv, node};

pub(super) fn build(depth: i64, dimensions: Dimensions) -> Network {
    let mut trunk = vec![
        node("conv1", conv(dimensions.channels, 16, 3, 1)),
        node("bn1", batch_norm(16)),
        node("relu", Layer::Relu),
    ];
    let mut channels = 16;
    for (stage, outputs) in [(1, 16), (2, 32), (3, 64)] {
        for block in 0..(depth - 2) / 6 {
            trunk.push(node(format!("layer{stage}.{block}"), basic_block(channels, outputs)));
            channels = outputs;
        }
    }
    trunk.push(node("pool", Layer::GlobalAvgPool));
    Network { trunk, head: Head { name: "linear".to_owned(), features: channels, classes: dimensions.classes } }
}

fn basic_block(inputs: i64, outputs: i64) -> Layer {
    let widens = outputs != inputs;
    let body: Vec<Node> = vec![
        node("conv1", conv(inputs, outputs, 3, if widens { 2 } else { 1 })),
        node("bn1", batch_norm(outputs)),
        node("relu", Layer::Relu),
        node("conv2", conv(outputs, outputs, 3, 1)),
        node("bn2", batch_norm(outputs)),
    ];
    let shortcut = if widens { Shortcut::PadStride { padding: (outputs - inputs) / 2 } } else { Shortcut::Identity };
    Layer::Residual { body, shortcut }
}

//! The ImageNet ResNets of He et al. 2016 as torchvision has them (`torchvision.models.resnet18` and so on): the stride of
//! a bottleneck is in its 3x3 convolution, shortcuts that change the shape are projections, the head is `fc`.

use crate::ml::backbone::layer::{Dimensions, Head, Layer, Network, Node, Shortcut, Window, batch_norm, conv, node};

pub(super) fn resnet18(dimensions: Dimensions) -> Network {
    build(&BASIC, [2, 2, 2, 2], dimensions)
}

pub(super) fn resnet34(dimensions: Dimensions) -> Network {
    build(&BASIC, [3, 4, 6, 3], dimensions)
}

pub(super) fn resnet50(dimensions: Dimensions) -> Network {
    build(&BOTTLENECK, [3, 4, 6, 3], dimensions)
}

/// How a block is made, and how many channels it gives for each channel of its stage's width.
struct Block {
    expansion: i64,
    body: fn(inputs: i64, width: i64, stride: i64) -> Vec<Node>,
}

const BASIC: Block = Block { expansion: 1, body: basic_body };
const BOTTLENECK: Block = Block { expansion: 4, body: bottleneck_body };

fn build(block: &Block, blocks: [usize; 4], dimensions: Dimensions) -> Network {
    let mut trunk = vec![
        node("conv1", conv(dimensions.channels, 64, 7, 2)),
        node("bn1", batch_norm(64)),
        node("relu", Layer::Relu),
        node("maxpool", Layer::MaxPool(Window { size: 3, stride: 2, padding: 1 })),
    ];
    let mut channels = 64;
    for (stage, count) in blocks.into_iter().enumerate() {
        let width = 64 << stage;
        for position in 0..count {
            let stride = if stage > 0 && position == 0 { 2 } else { 1 };
            let name = format!("layer{}.{position}", stage + 1);
            trunk.push(node(name, residual(block, channels, width, stride)));
            channels = width * block.expansion;
        }
    }
    trunk.push(node("avgpool", Layer::GlobalAvgPool));
    Network { trunk, head: Head { name: "fc".to_owned(), features: channels, classes: dimensions.classes } }
}

fn residual(block: &Block, inputs: i64, width: i64, stride: i64) -> Layer {
    let outputs = width * block.expansion;
    let shortcut = if stride == 1 && inputs == outputs {
        Shortcut::Identity
    } else {
        Shortcut::Projection(vec![
            node("downsample.0", conv(inputs, outputs, 1, stride)),
            node("downsample.1", batch_norm(outputs)),
        ])
    };
    Layer::Residual { body: (block.body)(inputs, width, stride), shortcut }
}

fn basic_body(inputs: i64, width: i64, stride: i64) -> Vec<Node> {
    vec![
        node("conv1", conv(inputs, width, 3, stride)),
        node("bn1", batch_norm(width)),
        node("relu1", Layer::Relu),
        node("conv2", conv(width, width, 3, 1)),
        node("bn2", batch_norm(width)),
    ]
}

fn bottleneck_body(inputs: i64, width: i64, stride: i64) -> Vec<Node> {
    vec![
        node("conv1", conv(inputs, width, 1, 1)),
        node("bn1", batch_norm(width)),
        node("relu1", Layer::Relu),
        node("conv2", conv(width, width, 3, stride)),
        node("bn2", batch_norm(width)),
        node("relu2", Layer::Relu),
        node("conv3", conv(width, width * 4, 1, 1)),
        node("bn3", batch_norm(width * 4)),
    ]
}

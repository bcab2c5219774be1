//! A network for tiny images (8x8 digits, 28x28 characters) that trains in seconds on a CPU: three 3x3 convolutions with
//! BatchNorm (32, 64, 128 channels), one 2x2 maximum, a global mean, and the head `fc`.

use crate::ml::backbone::layer::{Dimensions, Head, Layer, Network, Window, batch_norm, conv, node};

pub(super) fn build(dimensions: Dimensions) -> Network {
    let trunk = vec![
        node("conv1", conv(dimensions.channels, 32, 3, 1)),
        node("bn1", batch_norm(32)),
        node("relu1", Layer::Relu),
        node("conv2", conv(32, 64, 3, 1)),
        node("bn2", batch_norm(64)),
        node("relu2", Layer::Relu),
        node("pool", Layer::MaxPool(Window { size: 2, stride: 2, padding: 0 })),
        node("conv3", conv(64, 128, 3, 1)),
        node("bn3", batch_norm(128)),
        node("relu3", Layer::Relu),
        node("mean", Layer::GlobalAvgPool),
    ];
    Network { trunk, head: Head { name: "fc".to_owned(), features: 128, classes: dimensions.classes } }
}

//! An architecture is data: a tree of layers with PyTorch's names. Everything else is derived from it: names and shapes of
//! the weights, their initialisation, the forward pass, the folded inference pass, TorchScript source.

/// A layer and its name in the `state_dict`; a layer inside a residual block is named relative to the block.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub name: String,
    pub layer: Layer,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Layer {
    /// Without bias: a BatchNorm follows.
    Conv2d(Conv2d),
    BatchNorm {
        channels: i64,
    },
    Relu,
    MaxPool(Window),
    /// Mean over all pixels: `[N,C,H,W]` to `[N,C]`.
    GlobalAvgPool,
    /// `relu(body(x) + shortcut(x))`.
    Residual {
        body: Vec<Node>,
        shortcut: Shortcut,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conv2d {
    pub inputs: i64,
    pub outputs: i64,
    pub window: Window,
}

/// A square window that moves over the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub size: i64,
    pub stride: i64,
    pub padding: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shortcut {
    Identity,
    /// Every second pixel, and this many channels of zeros before and after (He et al. 2016, option A).
    PadStride {
        padding: i64,
    },
    Projection(Vec<Node>),
}

/// A classifier: a trunk from images to features `[N,features]` and a linear head.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Network {
    pub trunk: Vec<Node>,
    pub head: Head,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head {
    pub name: String,
    pub features: i64,
    pub classes: i64,
}

/// What a network is built for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dimensions {
    pub channels: i64,
    pub classes: i64,
}

impl Network {
    /// Position in the trunk where the last block starts: the last residual block, or without any the last convolution.
    pub(super) fn last_block(&self) -> usize {
        let last = |wanted: fn(&Layer) -> bool| self.trunk.iter().rposition(|node| wanted(&node.layer));
        last(|layer| matches!(layer, Layer::Residual { .. }))
            .or_else(|| last(|layer| matches!(layer, Layer::Conv2d(_))))
            .unwrap_or(0)
    }
}

pub(super) fn node(name: impl Into<String>, layer: Layer) -> Node {
    Node { name: name.into(), layer }
}

/// A convolution that keeps the size at stride 1 (odd kernels).
pub(super) fn conv(inputs: i64, outputs: i64, size: i64, stride: i64) -> Layer {
    Layer::Conv2d(Conv2d { inputs, outputs, window: Window { size, stride, padding: size / 2 } })
}

pub(super) fn batch_norm(channels: i64) -> Layer {
    Layer::BatchNorm { channels }
}

/// `prefix.name`, or the name alone at the root.
pub(super) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

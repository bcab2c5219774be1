//! The tensors that a network needs: names, shapes and roles, in the order of PyTorch's `state_dict`.

use tch::Kind;

use super::layer::{Layer, Network, Node, Shortcut, join};

/// One parameter or buffer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Declaration {
    pub name: String,
    pub shape: Vec<i64>,
    pub role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Weight or bias of a convolution or linear layer whose outputs sum over `fan_in` inputs.
    Linear {
        fan_in: i64,
    },
    /// BatchNorm's weight.
    Scale,
    /// BatchNorm's bias.
    Shift,
    RunningMean,
    RunningVariance,
    /// BatchNorm's `num_batches_tracked`; older files lack it.
    BatchCount,
}

impl Role {
    pub(super) fn is_buffer(self) -> bool {
        match self {
            Self::Linear { .. } | Self::Scale | Self::Shift => false,
            Self::RunningMean | Self::RunningVariance | Self::BatchCount => true,
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Linear { .. } | Self::Scale | Self::Shift | Self::RunningMean | Self::RunningVariance => Kind::Float,
            Self::BatchCount => Kind::Int64,
        }
    }
}

impl Declaration {
    pub(super) fn byte_size(&self) -> u64 {
        let values: i64 = self.shape.iter().product();
        values.unsigned_abs() * self.role.kind().elt_size_in_bytes() as u64
    }
}

impl Network {
    pub(super) fn declarations(&self) -> Vec<Declaration> {
        let mut found = Vec::new();
        declare_all(&self.trunk, "", &mut found);
        let head = &self.head;
        let role = Role::Linear { fan_in: head.features };
        found.push(Declaration { name: join(&head.name, "weight"), shape: vec![head.classes, head.features], role });
        found.push(Declaration { name: join(&head.name, "bias"), shape: vec![head.classes], role });
        found
    }
}

fn declare_all(nodes: &[Node], prefix: &str, found: &mut Vec<Declaration>) {
    for node in nodes {
        let name = join(prefix, &node.name);
        match &node.layer {
            Layer::Conv2d(conv) => {
                let size = conv.window.size;
                found.push(Declaration {
                    name: join(&name, "weight"),
                    shape: vec![conv.outputs, conv.inputs, size, size],
                    role: Role::Linear { fan_in: conv.inputs * size * size },
                });
            }
            Layer::BatchNorm { channels } => declare_batch_norm(&name, *channels, found),
            Layer::Relu | Layer::MaxPool(_) | Layer::GlobalAvgPool => {}
            Layer::Residual { body, shortcut } => {
                declare_all(body, &name, found);
                match shortcut {
                    Shortcut::Identity | Shortcut::PadStride { .. } => {}
                    Shortcut::Projection(nodes) => declare_all(nodes, &name, found),
                }
            }
        }
    }
}

fn declare_batch_norm(name: &str, channels: i64, found: &mut Vec<Declaration>) {
    let per_channel = [
        ("weight", Role::Scale),
        ("bias", Role::Shift),
        ("running_mean", Role::RunningMean),
        ("running_var", Role::RunningVariance),
    ];
    for (field, role) in per_channel {
        found.push(Declaration { name: join(name, field), shape: vec![channels], role });
    }
    found.push(Declaration { name: join(name, "num_batches_tracked"), shape: vec![], role: Role::BatchCount });
}

//! A network as TorchScript: source of `embed`, `head` and `forward` over registered parameters and buffers, so that the
//! file has PyTorch's `state_dict` names and opens with `torch.jit.load`.

use tch::{Device, TchError, Tensor};

use super::batch_norm::{EPSILON, MOMENTUM};
use super::layer::{Layer, Network, Node, Shortcut, Window, join};
use super::module::State;
use crate::ml::shim::ScriptModule;

/// The bytes of a `.pt` file. Weights are saved for the CPU, in C order.
pub(super) fn to_torchscript(network: &Network, state: &State) -> Result<Vec<u8>, TchError> {
    let mut module = ScriptModule::new("__torch__.unlearnd.Backbone")?;
    for declaration in network.declarations() {
        let buffer = declaration.role.is_buffer();
        module.insert(&declaration.name, &exported(&state[&declaration.name], buffer)?, buffer)?;
    }
    module.define(&source(network))?;
    module.save()
}

fn exported(tensor: &Tensor, buffer: bool) -> Result<Tensor, TchError> {
    let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
    if buffer { Ok(tensor) } else { tensor.f_set_requires_grad(true) }
}

fn source(network: &Network) -> String {
    let mut lines = vec!["def embed(self, x):".to_owned()];
    emit(&network.trunk, "", 0, &mut lines);
    let head = attribute(&network.head.name);
    lines.extend([
        "    return x".to_owned(),
        "def head(self, x):".to_owned(),
        format!("    return torch.linear(x, {head}.weight, {head}.bias)"),
        "def forward(self, x):".to_owned(),
        "    return self.head(self.embed(x))".to_owned(),
    ]);
    lines.join("\n") + "\n"
}

/// Lines that turn `x` into the output of the layers. `depth` counts the residual blocks around.
fn emit(nodes: &[Node], prefix: &str, depth: usize, lines: &mut Vec<String>) {
    for node in nodes {
        let name = join(prefix, &node.name);
        let module = attribute(&name);
        let line = match &node.layer {
            Layer::Conv2d(conv) => {
                let Window { stride, padding, .. } = conv.window;
                format!(
                    "torch.conv2d(x, {module}.weight, None, [{stride}, {stride}], [{padding}, {padding}], [1, 1], 1)"
                )
            }
            Layer::BatchNorm { .. } => {
                lines.push("    if self.training:".to_owned());
                lines.push(format!("        {module}.num_batches_tracked.add_(1)"));
                let statistics = format!("{module}.running_mean, {module}.running_var");
                format!(
                    "torch.batch_norm(x, {module}.weight, {module}.bias, {statistics}, self.training, {MOMENTUM:?}, \
                     {EPSILON:?}, True)"
                )
            }
            Layer::Relu => "torch.relu(x)".to_owned(),
            Layer::MaxPool(Window { size, stride, padding }) => {
                format!("torch.max_pool2d(x, [{size}, {size}], [{stride}, {stride}], [{padding}, {padding}])")
            }
            Layer::GlobalAvgPool => "torch.mean(x, [2, 3])".to_owned(),
            Layer::Residual { body, shortcut } => {
                let (input, output) = (format!("input{depth}"), format!("output{depth}"));
                lines.push(format!("    {input} = x"));
                emit(body, &name, depth + 1, lines);
                lines.push(format!("    {output} = x"));
                lines.push(format!("    x = {input}"));
                emit_shortcut(shortcut, &name, depth + 1, lines);
                format!("torch.relu({output} + x)")
            }
        };
        lines.push(format!("    x = {line}"));
    }
}

fn emit_shortcut(shortcut: &Shortcut, prefix: &str, depth: usize, lines: &mut Vec<String>) {
    match shortcut {
        Shortcut::Identity => {}
        Shortcut::PadStride { padding } => {
            let line =
                format!("    x = torch.constant_pad_nd(x[:, :, ::2, ::2], [0, 0, 0, 0, {padding}, {padding}], 0)");
            lines.push(line);
        }
        Shortcut::Projection(nodes) => emit(nodes, prefix, depth, lines),
    }
}

/// `layer1.0.conv1` as an expression; a part that is no identifier needs `getattr`.
fn attribute(path: &str) -> String {
    path.split('.').fold("self".to_owned(), |object, part| {
        if part.starts_with(|character: char| character.is_ascii_digit()) {
            format!("getattr({object}, \"{part}\")")
        } else {
            format!("{object}.{part}")
        }
    })
}

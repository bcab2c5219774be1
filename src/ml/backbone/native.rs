//! A built-in architecture with its weights, kept channels_last.

use tch::{Device, Kind, TchError, Tensor};

use super::BnMode;
use super::body::{Body, Frozen};
use super::export;
use super::folded::{self, Folded};
use super::gradient::{self, Gradients};
use super::layer::Network;
use super::module::{self, Linear, Module, State, bind, bind_head};
use crate::domain::Result;
use crate::domain::finetune::Scope;
use crate::ml::torch::{channels_last, deep_copy, torch_error};

#[derive(Debug)]
pub(super) struct Native {
    architecture: String,
    network: Network,
    state: State,
    trunk: Vec<Module>,
    head: Linear,
    last_block: usize,
}

impl Native {
    /// Takes a state with every declared tensor and moves it to the device.
    pub(super) fn new(architecture: &str, network: Network, state: State, device: Device) -> Result<Self> {
        let to_device = |(name, tensor): (String, Tensor)| Ok((name, channels_last(&tensor.f_to_device(device)?)?));
        let state: std::result::Result<State, TchError> = state.into_iter().map(to_device).collect();
        let state = state.map_err(torch_error("move the weights to the device"))?;
        let trunk = bind(&network.trunk, "", &state);
        let head = bind_head(&network.head.name, &state);
        let last_block = network.last_block();
        Ok(Self { architecture: architecture.to_owned(), network, state, trunk, head, last_block })
    }

    /// Parameters (`false`) or buffers (`true`), sorted by name.
    fn tensors(&self, buffers: bool) -> Vec<(String, Tensor)> {
        let mut found: Vec<_> = self.network.declarations();
        found.retain(|declaration| declaration.role.is_buffer() == buffers);
        found.sort_by(|left, right| left.name.cmp(&right.name));
        found
            .into_iter()
            .map(|declaration| (declaration.name.clone(), self.state[&declaration.name].shallow_clone()))
            .collect()
    }

    fn cut(&self, scope: Scope) -> usize {
        match scope {
            Scope::Head => self.trunk.len(),
            Scope::LastBlock => self.last_block,
            Scope::All => 0,
        }
    }
}

impl Body for Native {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        self.tensors(false)
    }

    fn buffers(&self) -> Vec<(String, Tensor)> {
        self.tensors(true)
    }

    fn in_scope(&self, scope: Scope, parameter: &str) -> Result<bool> {
        let within = |name: &str| parameter.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        let trained = &self.network.trunk[self.cut(scope)..];
        Ok(within(&self.network.head.name) || trained.iter().any(|node| within(&node.name)))
    }

    fn below(&self, scope: Scope, images: &Tensor, bn: BnMode) -> Result<Tensor> {
        module::run(&self.trunk[..self.cut(scope)], images, bn).map_err(torch_error("run the model"))
    }

    fn above(&self, scope: Scope, input: &Tensor, bn: BnMode) -> Result<Tensor> {
        let features = module::run(&self.trunk[self.cut(scope)..], input, bn).map_err(torch_error("run the model"))?;
        self.head.forward(&features).map_err(torch_error("run the model's head"))
    }

    fn has_embed(&self) -> bool {
        true
    }

    fn code_identity(&self) -> String {
        self.architecture.clone()
    }

    fn deep_copy(&self) -> Result<Box<dyn Body>> {
        let copy = |(name, tensor): (&String, &Tensor)| Ok((name.clone(), deep_copy(tensor)?));
        let state: std::result::Result<State, TchError> = self.state.iter().map(copy).collect();
        let state = state.map_err(torch_error("copy the model"))?;
        let device = self.head.weight.device();
        Ok(Box::new(Self::new(&self.architecture, self.network.clone(), state, device)?))
    }

    fn to_torchscript(&self) -> Result<Vec<u8>> {
        export::to_torchscript(&self.network, &self.state).map_err(torch_error("export the model as TorchScript"))
    }

    fn frozen(&self, kind: Kind) -> Result<Box<dyn Frozen>> {
        let failed = torch_error("prepare the model for inference");
        let trunk = folded::fold(&self.trunk, kind).map_err(&failed)?;
        let copy = |tensor: &Tensor| deep_copy(tensor).map_err(&failed);
        let head = Linear { weight: copy(&self.head.weight)?, bias: copy(&self.head.bias)? };
        Ok(Box::new(FrozenNative { trunk, head, kind }))
    }

    fn differentiable(&self, kind: Kind) -> Result<Box<dyn Gradients>> {
        gradient::native(&self.trunk, &self.head, kind)
    }
}

#[derive(Debug)]
struct FrozenNative {
    trunk: Vec<Folded>,
    head: Linear,
    kind: Kind,
}

impl Frozen for FrozenNative {
    fn embed(&self, images: &Tensor) -> Result<Tensor> {
        let run = || {
            let images = channels_last(&images.f_to_kind(self.kind)?)?;
            folded::run(&self.trunk, &images)?.f_to_kind(Kind::Float)
        };
        run().map_err(torch_error("run the model"))
    }

    fn head(&self, features: &Tensor) -> Result<Tensor> {
        self.head.forward(features).map_err(torch_error("run the model's head"))
    }

    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        self.head(&self.embed(images)?)
    }
}

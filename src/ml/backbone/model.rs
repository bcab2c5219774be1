//! `Backbone`, the model as the rest of the crate knows it, and `Inference`, its copy made for speed.

use std::path::Path;

use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use super::body::{Body, Frozen};
use super::gradient::Differentiable;
use super::layer::{Dimensions, Network};
use super::native::Native;
use super::script::{Script, set_requires_grad};
use super::weights::{self, WeightFile};
use super::{BnMode, architectures, archive, file, initialise, validate_spec};
use crate::domain::finetune::{Precision, Scope};
use crate::domain::model::{ModelFormat, ModelSpec};
use crate::domain::{Error, Result};
use crate::ml::torch::{NoGrad, byte_size, check_precision, tensor_bytes, torch_error};

/// A model on a device. It belongs to one thread at a time.
#[derive(Debug)]
pub struct Backbone {
    spec: ModelSpec,
    device: Device,
    body: Box<dyn Body>,
}

impl Backbone {
    /// Reads weights, safetensors or TorchScript as `spec.format` says. A `spec.class_count` of 0 is filled in from them.
    ///
    /// # Errors
    /// Everything wrong with the file is an invalid argument: `MALFORMED_MODEL`, `MISSING_TENSOR`, `UNEXPECTED_TENSOR`,
    /// `TENSOR_SHAPE_MISMATCH`, `TENSOR_TYPE_MISMATCH`, `NON_FINITE_WEIGHTS`, `CLASS_COUNT_MISMATCH`,
    /// `MODEL_FORWARD_FAILED`, `MODEL_OUTPUT_MISMATCH`, `EMBED_HEAD_MISMATCH`.
    pub fn load(path: &Path, spec: &ModelSpec, device: Device) -> Result<Self> {
        validate_spec(spec)?;
        let mut spec = spec.clone();
        let body: Box<dyn Body> = match spec.format {
            ModelFormat::Safetensors => Box::new(load_native(path, &mut spec, device)?),
            ModelFormat::TorchScript => {
                let (script, class_count) = Script::load(path, &spec, device)?;
                spec.class_count = class_count;
                Box::new(script)
            }
            ModelFormat::HuggingFace | ModelFormat::Peft => return Err(takes_text()),
        };
        validate_spec(&spec)?;
        Self { spec, device, body }.without_gradients()
    }

    /// A built-in architecture with PyTorch's default initialisation.
    pub fn initialise(spec: &ModelSpec, seed: u64, device: Device) -> Result<Self> {
        validate_spec(spec)?;
        if spec.class_count == 0 {
            return Err(Error::invalid(
                "INVALID_CLASS_COUNT",
                "class_count",
                "a fresh model needs a number of classes",
            ));
        }
        let network = build(spec, spec.class_count)?;
        let state =
            initialise::initialise(&network.declarations(), seed).map_err(torch_error("initialise the model"))?;
        let body = Box::new(Native::new(&spec.architecture, network, state, device)?);
        Self { spec: spec.clone(), device, body }.without_gradients()
    }

    /// A copy on the same device that shares nothing; it has no trainable parameters yet.
    pub fn deep_copy(&self) -> Result<Self> {
        let body = self.body.deep_copy()?;
        Self { spec: self.spec.clone(), device: self.device, body }.without_gradients()
    }

    fn without_gradients(self) -> Result<Self> {
        set_requires_grad(&self.body.parameters(), |_| Ok(false))?;
        Ok(self)
    }

    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    pub fn device(&self) -> Device {
        self.device
    }

    pub fn class_count(&self) -> usize {
        self.spec.class_count as usize
    }

    /// Number of values in all parameters.
    pub fn parameter_count(&self) -> u64 {
        self.body.parameters().iter().map(|(_, tensor)| tensor.numel() as u64).sum()
    }

    /// Bytes of parameters and buffers.
    pub fn byte_size(&self) -> u64 {
        let tensors = self.body.parameters().into_iter().chain(self.body.buffers());
        tensors.map(|(_, tensor)| byte_size(&tensor) as u64).sum()
    }

    /// Sorted by name, sharing the model's memory.
    pub fn named_parameters(&self) -> Vec<(String, Tensor)> {
        self.body.parameters()
    }

    /// BatchNorm's running statistics and counts, sorted by name, sharing the model's memory.
    pub fn named_buffers(&self) -> Vec<(String, Tensor)> {
        self.body.buffers()
    }

    /// The parameters of the scope, sorted by name; they and no others record gradients from now on.
    ///
    /// # Errors
    /// Failed precondition for scopes that a TorchScript model does not have.
    pub fn trainable(&self, scope: Scope) -> Result<Vec<(String, Tensor)>> {
        let mut parameters = self.body.parameters();
        set_requires_grad(&parameters, |name| self.body.in_scope(scope, name))?;
        parameters.retain(|(_, parameter)| parameter.requires_grad());
        Ok(parameters)
    }

    /// Images `[N,C,H,W]` to logits `[N,K]`.
    pub fn forward(&self, images: &Tensor, bn: BnMode) -> Result<Tensor> {
        self.body.above(Scope::All, images, bn)
    }

    /// As `forward`, with no gradients recorded below the scope.
    pub fn forward_scoped(&self, scope: Scope, images: &Tensor, bn: BnMode) -> Result<Tensor> {
        self.above(scope, &self.below(scope, images, bn)?, bn)
    }

    /// The forward pass up to where the scope begins, without gradients: what a frozen prefix gives, to be computed once.
    /// The images themselves for `All`, feature maps for `LastBlock`, features `[N,D]` for `Head`.
    pub fn below(&self, scope: Scope, images: &Tensor, bn: BnMode) -> Result<Tensor> {
        let _guard = NoGrad::enter();
        self.body.below(scope, images, bn)
    }

    /// The rest of the forward pass: from what `below` gave to logits `[N,K]`.
    pub fn above(&self, scope: Scope, input: &Tensor, bn: BnMode) -> Result<Tensor> {
        self.body.above(scope, input, bn)
    }

    /// Images `[N,C,H,W]` to features `[N,D]`; records gradients where they are on.
    pub fn embed(&self, images: &Tensor, bn: BnMode) -> Result<Tensor> {
        self.body.below(Scope::Head, images, bn)
    }

    /// Features `[N,D]` to logits `[N,K]`.
    pub fn head(&self, features: &Tensor) -> Result<Tensor> {
        self.body.above(Scope::Head, features, BnMode::Eval)
    }

    /// D.
    pub fn feature_dim(&self) -> Result<usize> {
        let image = &self.spec.preprocessing;
        let size = [1, image.channels, image.height, image.width].map(i64::from);
        let blank = Tensor::f_zeros(size, (Kind::Float, self.device)).map_err(torch_error("make a trial image"))?;
        let features = self.below(Scope::Head, &blank, BnMode::Eval)?;
        Ok(features.size().last().copied().unwrap_or_default().unsigned_abs() as usize)
    }

    /// Whether `embed`, `head` and scope `Head` work; else only scope `All` does.
    pub fn has_embed(&self) -> bool {
        self.body.has_embed()
    }

    /// SHA-256, in hexadecimal, over code, names, shapes and values of everything below the head. Training the head alone
    /// does not change it.
    pub fn prefix_hash(&self) -> Result<String> {
        let mut digest = Sha256::new();
        digest.update(self.body.code_identity());
        for (name, tensor) in self.state_dict()? {
            if self.body.in_scope(Scope::Head, &name)? {
                continue;
            }
            digest.update(format!("\n{name} {:?} {:?}\n", tensor.kind(), tensor.size()));
            digest.update(tensor_bytes(&tensor).map_err(torch_error("read the weights"))?);
        }
        Ok(archive::hexadecimal(&digest.finalize()))
    }

    /// Parameters and buffers, sorted by name, sharing the model's memory. They may be channels_last: read them with
    /// `ml::torch::tensor_bytes`.
    pub fn state_dict(&self) -> Result<Vec<(String, Tensor)>> {
        let mut state = self.body.parameters();
        state.extend(self.body.buffers());
        state.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(state)
    }

    /// Copies values in; names and shapes must be exactly those of `state_dict`.
    pub fn load_state(&self, state: &[(String, Tensor)]) -> Result<()> {
        let own = self.state_dict()?;
        let mut given: Vec<_> = state.iter().collect();
        given.sort_by(|left, right| left.0.cmp(&right.0));
        let same = own.len() == given.len()
            && own.iter().zip(&given).all(|(own, given)| own.0 == given.0 && own.1.size() == given.1.size());
        if !same {
            let message = "the saved weights have other names or shapes than the model";
            return Err(Error::failed_precondition("STATE_MISMATCH", message));
        }
        let _guard = NoGrad::enter();
        for ((_, mut own), (_, given)) in own.into_iter().zip(given) {
            own.f_copy_(given).map_err(torch_error("restore the weights"))?;
        }
        Ok(())
    }

    /// Whether there are running statistics at all.
    pub fn has_batch_norm(&self) -> bool {
        self.body.buffers().iter().any(|(name, _)| field(name) == "running_mean")
    }

    /// Running means 0, variances 1, counts 0: where `BnMode::Cumulative` starts.
    pub fn reset_running_stats(&self) -> Result<()> {
        let _guard = NoGrad::enter();
        for (name, mut buffer) in self.body.buffers() {
            let reset = match field(&name) {
                "running_mean" | "num_batches_tracked" => buffer.f_fill_(0),
                "running_var" => buffer.f_fill_(1),
                _ => continue,
            };
            drop(reset.map_err(torch_error("reset the running statistics"))?);
        }
        Ok(())
    }

    /// Writes weights (safetensors: PyTorch's names) or weights and code (TorchScript). Overwrites; not atomic.
    pub fn save(&self, path: &Path, format: ModelFormat) -> Result<()> {
        let bytes = match format {
            ModelFormat::Safetensors => weights::serialise(&self.state_dict()?)?,
            ModelFormat::TorchScript => self.body.to_torchscript()?,
            ModelFormat::HuggingFace | ModelFormat::Peft => return Err(takes_text()),
        };
        file::write(path, &bytes)
    }

    /// A copy for inference: BatchNorm folded, channels_last, bf16 if asked for, no gradients for the weights.
    ///
    /// # Errors
    /// `PRECISION_UNSUPPORTED` for bf16 on a processor that cannot compute in it.
    pub fn inference(&self, precision: Precision) -> Result<Inference> {
        check_precision(precision, self.device)?;
        let kind = match precision {
            Precision::Bf16 => Kind::BFloat16,
            Precision::F32 => Kind::Float,
        };
        let _guard = NoGrad::enter();
        Ok(Inference { frozen: self.body.frozen(kind)? })
    }

    /// A frozen copy for gradients by the input, in the precision asked for.
    ///
    /// # Errors
    /// `PRECISION_UNSUPPORTED` where the device has no bf16.
    pub fn differentiable(&self, precision: Precision) -> Result<Differentiable> {
        check_precision(precision, self.device)?;
        let _guard = NoGrad::enter();
        let kind = if precision == Precision::Bf16 { Kind::BFloat16 } else { Kind::Float };
        Ok(Differentiable::new(self.spec.clone(), self.device, self.body.differentiable(kind)?))
    }
}

/// The last part of a dotted name.
fn field(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn build(spec: &ModelSpec, class_count: u32) -> Result<Network> {
    let dimensions = Dimensions { channels: spec.preprocessing.channels.into(), classes: class_count.into() };
    Ok((architectures::find(&spec.architecture)?.build)(dimensions))
}

fn load_native(path: &Path, spec: &mut ModelSpec, device: Device) -> Result<Native> {
    const MOST_CLASSES: u32 = 100_000;
    let stated = if spec.class_count == 0 { MOST_CLASSES } else { spec.class_count };
    let network = build(spec, stated)?;
    let expected = network.declarations().iter().map(|declaration| declaration.byte_size()).sum();
    let file = WeightFile::read(path, expected)?;
    if spec.class_count == 0 {
        let classes = file.leading_size(&format!("{}.weight", network.head.name))?.unwrap_or_default();
        spec.class_count = u32::try_from(classes).unwrap_or(u32::MAX);
        validate_spec(spec)?;
    }
    let network = build(spec, spec.class_count)?;
    let state = file.state(&network.declarations())?;
    Native::new(&spec.architecture, network, state, device)
}

/// A frozen copy of a model made for speed; all results are f32. Batches of 64 to 128 are best on a CPU.
#[derive(Debug)]
pub struct Inference {
    frozen: Box<dyn Frozen>,
}

impl Inference {
    /// Images `[N,C,H,W]` to logits `[N,K]`.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        self.frozen.forward(images)
    }

    /// Images `[N,C,H,W]` to features `[N,D]`.
    pub fn embed(&self, images: &Tensor) -> Result<Tensor> {
        self.frozen.embed(images)
    }

    /// Features `[N,D]` to logits `[N,K]`.
    pub fn head(&self, features: &Tensor) -> Result<Tensor> {
        self.frozen.head(features)
    }
}
fn takes_text() -> Error {
    Error::invalid(
        "FORMAT_NOT_FOR_IMAGES",
        "format",
        "this is the format of language models; say TORCHSCRIPT or SAFETENSORS",
    )
}

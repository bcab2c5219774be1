//! A TorchScript model: code and weights of the user's own. `forward` must take one batch of images and give logits; with
//! `embed` and `head` exported too (`@torch.jit.export`), head-scope training and the activation cache work as well.

use std::collections::BTreeSet;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::BnMode;
use super::archive;
use super::body::{Body, Frozen};
use super::file::read_bounded;
use super::gradient::{Gradients, ScriptGradients};
use crate::domain::finetune::{Precision, Scope};
use crate::domain::model::{Layout, ModelSpec};
use crate::domain::{Error, Result};
use crate::ml::shim::ScriptModule;
use crate::ml::torch::{Autocast, NoGrad, is_finite, torch_error};

/// Larger files are refused before they are read.
const LARGEST_FILE: u64 = 16 << 30;

#[derive(Debug)]
pub(super) struct Script {
    module: ScriptModule,
    layout: Layout,
    /// Parameters that `head` uses; nothing where `embed` or `head` is not exported.
    head: Option<BTreeSet<String>>,
    /// SHA-256 of the code in the file.
    code: String,
}

impl Script {
    /// Loads the file, runs it once on an even ramp of two images, and returns the number of classes with it.
    pub(super) fn load(path: &Path, spec: &ModelSpec, device: Device) -> Result<(Self, u32)> {
        let bytes = read_bounded(path, LARGEST_FILE)?;
        let code = archive::inspect(&bytes)?;
        let module = ScriptModule::load(&bytes, device).map_err(|error| {
            let error = torch_error("load the TorchScript file")(error);
            match error.reason {
                "OUT_OF_MEMORY" | "DEVICE_LOST" => error,
                _ => Error::invalid(
                    "MALFORMED_MODEL",
                    "uri",
                    "libtorch cannot load this TorchScript file; export it again",
                )
                .with_source(error),
            }
        })?;
        let mut script = Self { module, layout: spec.preprocessing.layout, head: None, code };
        script.check_weights()?;
        let classes = script.probe(spec, device)?;
        Ok((script, classes))
    }

    fn check_weights(&self) -> Result<()> {
        if !self.module.has_method("forward") {
            return Err(Error::invalid(
                "MALFORMED_MODEL",
                "uri",
                "the TorchScript module has no `forward`; export a module, not a function, with torch.jit.script(model).save(..)",
            ));
        }
        for (name, tensor) in self.parameters().into_iter().chain(self.buffers()) {
            if !is_finite(&tensor).map_err(torch_error("check the weights"))? {
                let description = format!("tensor `{name}` has infinite or NaN values; the training run diverged");
                return Err(Error::invalid("NON_FINITE_WEIGHTS", "uri", description));
            }
        }
        Ok(())
    }

    /// Runs the model once: checks what it returns and finds the parameters of its head.
    fn probe(&mut self, spec: &ModelSpec, device: Device) -> Result<u32> {
        let logits = {
            let _guard = NoGrad::enter();
            self.above(Scope::All, &probe_batch(spec, device).map_err(torch_error("make a trial batch"))?, BnMode::Eval)
        };
        let logits = logits.map_err(|error| match error.reason {
            "OUT_OF_MEMORY" | "DEVICE_LOST" => error,
            _ => {
                let description =
                    format!("`forward` fails on a batch of images as in `preprocessing`: {}", error.message);
                Error::invalid("MODEL_FORWARD_FAILED", "uri", description).with_source(error)
            }
        })?;
        let classes = check_logits(&logits, spec)?;
        if self.module.has_method("embed") && self.module.has_method("head") {
            self.head = Some(self.find_head(spec, device, &logits)?);
        }
        Ok(classes)
    }

    /// The parameters that get gradients when `head` is called on features. `head(embed(x))` must be `forward(x)`.
    fn find_head(&self, spec: &ModelSpec, device: Device, logits: &Tensor) -> Result<BTreeSet<String>> {
        let images = probe_batch(spec, device).map_err(torch_error("make a trial batch"))?;
        let features = {
            let _guard = NoGrad::enter();
            self.call("embed", &self.in_layout(&images)?)?
        };
        let parameters = self.parameters();
        set_requires_grad(&parameters, |_| Ok(true))?;
        let found = self.call("head", &features)?;
        if found.size() != logits.size() || !close(&found, logits).map_err(torch_error("compare logits"))? {
            let description = "`head(embed(images))` is not `forward(images)`; export matching methods or neither";
            return Err(Error::invalid("EMBED_HEAD_MISMATCH", "uri", description));
        }
        if features.dim() != 2 {
            let description = format!("`embed` returns {:?}; one vector an image is needed", features.size());
            return Err(Error::invalid("EMBED_HEAD_MISMATCH", "uri", description));
        }
        let head = gradient_receivers(&found, parameters).map_err(torch_error("find the parameters of the head"))?;
        set_requires_grad(&self.parameters(), |_| Ok(false))?;
        Ok(head)
    }

    fn call(&self, method: &str, input: &Tensor) -> Result<Tensor> {
        self.module.call(method, input).map_err(torch_error("run the model"))
    }

    fn set_mode(&self, bn: BnMode) -> Result<()> {
        let train = match bn {
            BnMode::Eval => false,
            BnMode::Train => true,
            BnMode::Cumulative => {
                let message = "BatchNorm statistics of a TorchScript model cannot be measured anew, its momentum is part \
                               of its code; use BATCH_NORM_UPDATE or FROZEN, or a built-in architecture";
                return Err(Error::failed_precondition("TORCHSCRIPT_UNSUPPORTED", message));
            }
        };
        self.module.set_train(train).map_err(torch_error("set the model's mode"))
    }

    /// NCHW images as the model wants them.
    fn in_layout(&self, images: &Tensor) -> Result<Tensor> {
        match self.layout {
            Layout::Nchw => Ok(images.shallow_clone()),
            Layout::Nhwc => images.f_permute([0, 2, 3, 1]).map_err(torch_error("permute the images")),
        }
    }

    fn head_parameters(&self) -> Result<&BTreeSet<String>> {
        self.head.as_ref().ok_or_else(|| {
            let message = "this TorchScript model exports no `embed` and `head`, so only scope ALL can be trained; mark both \
                           methods with @torch.jit.export, or use a built-in architecture";
            Error::failed_precondition("EMBED_NOT_EXPORTED", message)
        })
    }
}

fn no_last_block() -> Error {
    let message = "a TorchScript model has no known last block; use scope HEAD or ALL, or a built-in architecture";
    Error::failed_precondition("TORCHSCRIPT_UNSUPPORTED", message)
}

/// Two images whose values rise evenly from -1 to 1.
fn probe_batch(spec: &ModelSpec, device: Device) -> std::result::Result<Tensor, tch::TchError> {
    let image = &spec.preprocessing;
    let size = [2, image.channels, image.height, image.width].map(i64::from);
    Tensor::f_linspace(-1.0, 1.0, size.iter().product::<i64>(), (Kind::Float, device))?.f_view(size)
}

fn check_logits(logits: &Tensor, spec: &ModelSpec) -> Result<u32> {
    let size = logits.size();
    let (&[2, classes], Kind::Float) = (size.as_slice(), logits.kind()) else {
        let description =
            format!("`forward` gives {:?} {size:?} for two images; f32 logits [2,K] are needed", logits.kind());
        return Err(Error::invalid("MODEL_OUTPUT_MISMATCH", "uri", description));
    };
    let classes = u32::try_from(classes).unwrap_or(u32::MAX);
    if classes < 2 || (spec.class_count != 0 && spec.class_count != classes) {
        let description = format!("the model has {classes} outputs, {} classes are stated", spec.class_count);
        return Err(Error::invalid("CLASS_COUNT_MISMATCH", "class_count", description));
    }
    Ok(classes)
}

fn close(left: &Tensor, right: &Tensor) -> std::result::Result<bool, tch::TchError> {
    left.f_detach()?.f_allclose(right, 1e-4, 1e-4, false)
}

fn gradient_receivers(
    output: &Tensor,
    parameters: Vec<(String, Tensor)>,
) -> std::result::Result<BTreeSet<String>, tch::TchError> {
    if !output.requires_grad() {
        return Ok(BTreeSet::new());
    }
    output.f_sum(None)?.f_backward()?;
    let mut receivers = BTreeSet::new();
    for (name, mut parameter) in parameters {
        if parameter.grad().defined() {
            receivers.insert(name);
            parameter.zero_grad();
        }
    }
    Ok(receivers)
}

/// Switches gradients of each parameter on or off.
pub(super) fn set_requires_grad(parameters: &[(String, Tensor)], wanted: impl Fn(&str) -> Result<bool>) -> Result<()> {
    for (name, parameter) in parameters {
        drop(parameter.f_set_requires_grad(wanted(name)?).map_err(torch_error("choose the parameters to train"))?);
    }
    Ok(())
}

impl Body for Script {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        self.module.named_parameters().unwrap_or_default()
    }

    fn buffers(&self) -> Vec<(String, Tensor)> {
        self.module.named_buffers().unwrap_or_default()
    }

    fn in_scope(&self, scope: Scope, parameter: &str) -> Result<bool> {
        match scope {
            Scope::All => Ok(true),
            Scope::Head => Ok(self.head_parameters()?.contains(parameter)),
            Scope::LastBlock => Err(no_last_block()),
        }
    }

    fn below(&self, scope: Scope, images: &Tensor, bn: BnMode) -> Result<Tensor> {
        self.set_mode(bn)?;
        match scope {
            Scope::All => Ok(images.shallow_clone()),
            Scope::Head => {
                self.head_parameters()?;
                self.call("embed", &self.in_layout(images)?)
            }
            Scope::LastBlock => Err(no_last_block()),
        }
    }

    fn above(&self, scope: Scope, input: &Tensor, bn: BnMode) -> Result<Tensor> {
        self.set_mode(bn)?;
        match scope {
            Scope::All => self.call("forward", &self.in_layout(input)?),
            Scope::Head => {
                self.head_parameters()?;
                self.call("head", input)
            }
            Scope::LastBlock => Err(no_last_block()),
        }
    }

    fn has_embed(&self) -> bool {
        self.head.is_some()
    }

    fn code_identity(&self) -> String {
        self.code.clone()
    }

    fn deep_copy(&self) -> Result<Box<dyn Body>> {
        let module = self.module.deep_copy().map_err(torch_error("copy the model"))?;
        let copy = Self { module, layout: self.layout, head: self.head.clone(), code: self.code.clone() };
        Ok(Box::new(copy))
    }

    fn to_torchscript(&self) -> Result<Vec<u8>> {
        self.set_mode(BnMode::Eval)?;
        self.module.save().map_err(torch_error("save the TorchScript model"))
    }

    fn frozen(&self, kind: Kind) -> Result<Box<dyn Frozen>> {
        let copy = self.deep_copy()?;
        set_requires_grad(&copy.parameters(), |_| Ok(false))?;
        let precision = if kind == Kind::BFloat16 { Precision::Bf16 } else { Precision::F32 };
        Ok(Box::new(FrozenScript { body: copy, precision }))
    }

    fn differentiable(&self, kind: Kind) -> Result<Box<dyn Gradients>> {
        let module = self.module.deep_copy().map_err(torch_error("copy the model"))?;
        let copy = Self { module, layout: self.layout, head: self.head.clone(), code: self.code.clone() };
        set_requires_grad(&copy.parameters(), |_| Ok(false))?;
        copy.set_mode(BnMode::Eval)?;
        // Code that freezing would change (it detaches) or does not take (it changes its attributes) runs as it is.
        let module = copy.module.freeze(self.has_embed()).unwrap_or(copy.module);
        let precision = if kind == Kind::BFloat16 { Precision::Bf16 } else { Precision::F32 };
        Ok(Box::new(ScriptGradients::new(Box::new(Self { module, ..copy }), precision)))
    }
}

#[derive(Debug)]
struct FrozenScript {
    body: Box<dyn Body>,
    precision: Precision,
}

impl FrozenScript {
    fn run(&self, run: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
        let _guard = Autocast::enter(self.precision)?;
        run()?.f_to_kind(Kind::Float).map_err(torch_error("convert the result"))
    }
}

impl Frozen for FrozenScript {
    fn embed(&self, images: &Tensor) -> Result<Tensor> {
        self.run(|| self.body.below(Scope::Head, images, BnMode::Eval))
    }

    fn head(&self, features: &Tensor) -> Result<Tensor> {
        self.run(|| self.body.above(Scope::Head, features, BnMode::Eval))
    }

    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        self.run(|| self.body.above(Scope::All, images, BnMode::Eval))
    }
}

//! Adapters as files, in peft's format: `adapter_config.json` and `adapter_model.safetensors`.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{Error as IoError, ErrorKind as IoErrorKind};
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use tch::{Device, Kind, Tensor};

use super::adapter::{Adapter, LowRank};
pub use super::config::TaskKind;
use super::config::{self, PeftConfig, malformed};
use super::initialise::validate;
use super::targets::LayerShape;
use crate::domain::disk::io_failed;
use crate::domain::text_training::LoraSpec;
use crate::domain::{Error, Result};
use crate::ml::files;
use crate::ml::torch::{is_finite, tensor_bytes, torch_error};

pub(super) const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const PREFIX: &str = "base_model.model.";
/// Settings are a few kilobytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Both files of an adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterFiles {
    pub config: String,
    pub weights: Vec<u8>,
}

/// An adapter that fits the model it was loaded for.
#[derive(Debug)]
pub struct LoadedAdapter {
    pub adapter: Adapter,
    pub spec: LoraSpec,
    /// Not every writer says it.
    pub task: Option<TaskKind>,
}

impl AdapterFiles {
    /// `base` is what peft shall take for the name of the base model.
    pub fn of(adapter: &Adapter, spec: &LoraSpec, task: TaskKind, base: &str) -> Result<Self> {
        let mut saved: Vec<String> = adapter.saved().keys().map(|name| module(name).to_owned()).collect();
        saved.dedup();
        let config = config::write(spec, task, base, adapter.layers().keys().collect(), saved)?;
        Ok(Self { config, weights: serialise(adapter)? })
    }

    /// Durable on return; the settings come last, so that a folder with settings is whole.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let write = || {
            fs::create_dir_all(folder)?;
            files::write_atomically(&folder.join(WEIGHTS), &self.weights)?;
            files::write_atomically(&folder.join(CONFIG), self.config.as_bytes())
        };
        write().map_err(|error: IoError| io_failed("write an adapter", error))
    }

    /// At most `most_bytes` of tensors.
    ///
    /// # Errors
    /// `MALFORMED_ADAPTER`.
    pub fn read(folder: &Path, most_bytes: u64) -> Result<Self> {
        let size = fs::metadata(folder.join(CONFIG)).map_err(|error| unreadable(CONFIG, error))?.len();
        if size > MAX_CONFIG_BYTES {
            return Err(malformed(format!("{CONFIG} has {size} bytes, more than {MAX_CONFIG_BYTES}")));
        }
        let config = fs::read_to_string(folder.join(CONFIG)).map_err(|error| unreadable(CONFIG, error))?;
        let size = fs::metadata(folder.join(WEIGHTS)).map_err(|error| unreadable(WEIGHTS, error))?.len();
        if size > most_bytes {
            return Err(malformed(format!(
                "{WEIGHTS} has {size} bytes; an adapter of this model has at most {most_bytes}"
            )));
        }
        let weights = fs::read(folder.join(WEIGHTS)).map_err(|error| unreadable(WEIGHTS, error))?;
        Ok(Self { config, weights })
    }

    /// The adapter for a model with the linear layers `base` and the tensors `whole` that an adapter may bring along (its head), in
    /// f32 on `device`. One that was made for another model is refused.
    pub fn load(&self, base: &[LayerShape], whole: &[(String, Vec<i64>)], device: Device) -> Result<LoadedAdapter> {
        let config = PeftConfig::parse(&self.config)?;
        let spec = config.spec();
        validate(&spec)?;
        let tensors = SafeTensors::deserialize(&self.weights)
            .map_err(|error| malformed(format!("{WEIGHTS} is not a safetensors file: {error}")))?;
        let mut parts = Parts::default();
        for (name, view) in tensors.tensors() {
            parts.add(&name, read_tensor(&name, &view, device)?)?;
        }
        let saved = parts.saved(whole)?;
        let layers = parts.layers(base, &config)?;
        config.check_ranks(layers.values().map(|layer| layer.a.size()[0]))?;
        let adapter = Adapter::new(layers).with_saved(saved);
        Ok(LoadedAdapter { adapter, spec, task: config.task_type })
    }
}

/// Tensors of the file by what they are.
#[derive(Default)]
struct Parts {
    a: BTreeMap<String, Tensor>,
    b: BTreeMap<String, Tensor>,
    others: BTreeMap<String, Tensor>,
}

impl Parts {
    fn add(&mut self, name: &str, tensor: Tensor) -> Result<()> {
        let Some(inner) = name.strip_prefix(PREFIX) else {
            return Err(malformed(format!(
                "tensor `{name}` does not begin with `{PREFIX}`; save the adapter with peft"
            )));
        };
        if let Some(path) = inner.strip_suffix(".lora_A.weight") {
            self.a.insert(path.to_owned(), tensor);
        } else if let Some(path) = inner.strip_suffix(".lora_B.weight") {
            self.b.insert(path.to_owned(), tensor);
        } else {
            self.others.insert(inner.to_owned(), tensor);
        }
        Ok(())
    }

    fn layers(mut self, base: &[LayerShape], config: &PeftConfig) -> Result<BTreeMap<String, LowRank>> {
        if let Some(path) = self.b.keys().find(|path| !self.a.contains_key(*path)) {
            return Err(malformed(format!("`{path}` has a lora_B and no lora_A")));
        }
        let pairs = std::mem::take(&mut self.a).into_iter().map(|(path, a)| {
            let b = self.b.remove(&path).ok_or_else(|| malformed(format!("`{path}` has a lora_A and no lora_B")))?;
            let scale = check_layer(&path, &a, &b, base).map(|rank| config.scale(&path, rank))?;
            Ok((path, LowRank { a, b, scale }))
        });
        pairs.collect()
    }

    /// Tensors that replace the model's own.
    fn saved(&mut self, whole: &[(String, Vec<i64>)]) -> Result<BTreeMap<String, Tensor>> {
        for (name, tensor) in &self.others {
            let Some((_, size)) = whole.iter().find(|(known, _)| known == name) else {
                return Err(mismatch(format!(
                    "the adapter brings `{name}`, which this model does not have or does not let train"
                )));
            };
            if *size != tensor.size() {
                return Err(mismatch(format!(
                    "`{name}` is {:?} in the adapter and {size:?} in this model",
                    tensor.size()
                )));
            }
        }
        Ok(std::mem::take(&mut self.others))
    }
}

/// The rank, if the layer is there and its shapes fit.
fn check_layer(path: &str, a: &Tensor, b: &Tensor, base: &[LayerShape]) -> Result<i64> {
    let Some(layer) = base.iter().find(|layer| layer.path == path) else {
        return Err(mismatch(format!("the adapter is for a layer `{path}`, which this model does not have")));
    };
    match (a.size().as_slice(), b.size().as_slice()) {
        (&[rank, inputs], &[outputs, same]) if rank == same && rank > 0 => {
            match (inputs, outputs) == (layer.inputs, layer.outputs) {
                true => Ok(rank),
                false => Err(mismatch(format!(
                    "layer `{path}` maps {} to {} values in this model and {inputs} to {outputs} in the adapter's",
                    layer.inputs, layer.outputs
                ))),
            }
        }
        (a, b) => Err(malformed(format!("lora_A {a:?} and lora_B {b:?} of `{path}` do not belong together"))),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a non-exhaustive enum of another crate")]
fn read_tensor(name: &str, view: &TensorView<'_>, device: Device) -> Result<Tensor> {
    let kind = match view.dtype() {
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        other => return Err(malformed(format!("tensor `{name}` is {other:?}; only F32, F16 and BF16 are known"))),
    };
    let size: Vec<i64> = view.shape().iter().map(|&extent| extent as i64).collect();
    let read = || Tensor::f_from_data_size(view.data(), &size, kind)?.f_to_kind(Kind::Float)?.f_to_device(device);
    let tensor = read().map_err(torch_error("read an adapter"))?;
    match is_finite(&tensor).map_err(torch_error("read an adapter"))? {
        true => Ok(tensor),
        false => Err(Error::failed_precondition(
            "NON_FINITE_ADAPTER",
            format!("tensor `{name}` of the adapter is infinite or not a number; train it anew at a lower rate"),
        )),
    }
}

fn serialise(adapter: &Adapter) -> Result<Vec<u8>> {
    let bytes = |tensor: &Tensor| tensor_bytes(&tensor.f_to_kind(Kind::Float)?);
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = adapter
        .tensors()
        .into_iter()
        .map(|(name, tensor)| {
            Ok((name, tensor.size().iter().map(|&extent| extent as usize).collect(), bytes(&tensor)?))
        })
        .collect::<Result<_, tch::TchError>>()
        .map_err(torch_error("write an adapter"))?;
    let views = tensors.iter().map(|(name, size, bytes)| Ok((name, TensorView::new(Dtype::F32, size.clone(), bytes)?)));
    let serialise = || {
        let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        safetensors::serialize(views, Some(HashMap::from([("format".to_owned(), "pt".to_owned())])))
    };
    serialise().map_err(|error| Error::internal("failed to write the adapter").with_source(error))
}

/// `score` of `score.weight`.
fn module(tensor: &str) -> &str {
    tensor.rsplit_once('.').map_or(tensor, |(module, _)| module)
}

fn mismatch(description: String) -> Error {
    Error::invalid("ADAPTER_MISMATCH", "", format!("{description}; load the model that the adapter was trained on"))
}

fn unreadable(file: &str, error: IoError) -> Error {
    if error.kind() == IoErrorKind::NotFound {
        return malformed(format!("the folder has no {file}; give the folder that peft saved an adapter in"));
    }
    malformed(format!("{file} cannot be read")).with_source(error)
}

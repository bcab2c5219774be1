//! Weights as safetensors under PyTorch's `state_dict` names. Files from outside are hostile: every name, shape, type and
//! value is checked against what the architecture declares.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};
use tch::{Kind, Tensor};

use super::declaration::{Declaration, Role};
use super::file::read_bounded;
use super::initialise::constant;
use super::module::State;
use crate::domain::{Error, Result};
use crate::ml::torch::{is_finite, tensor_bytes, torch_error};

/// Room for the header of a file and for tensors that are refused by name.
const SLACK: u64 = 1 << 20;

/// A safetensors file in memory.
pub(super) struct WeightFile {
    bytes: Vec<u8>,
}

impl WeightFile {
    /// Reads a file that may hold `expected_bytes` of tensors and little more.
    pub(super) fn read(path: &Path, expected_bytes: u64) -> Result<Self> {
        Ok(Self { bytes: read_bounded(path, expected_bytes + SLACK)? })
    }

    /// Size of the first dimension of a tensor, if the file has it.
    pub(super) fn leading_size(&self, name: &str) -> Result<Option<usize>> {
        let views = self.views()?;
        Ok(views.get(name).and_then(|view| view.shape().first().copied()))
    }

    /// All declared tensors; refuses missing, further, mis-shaped, wrongly typed and non-finite ones.
    pub(super) fn state(&self, declarations: &[Declaration]) -> Result<State> {
        let views = self.views()?;
        check_names(&views, declarations)?;
        check_shapes(&views, declarations)?;
        let mut state = State::new();
        for declaration in declarations {
            let tensor = match views.get(&declaration.name) {
                Some(view) => to_tensor(view, declaration)?,
                None => constant(declaration).map_err(torch_error("create the missing batch count"))?,
            };
            state.insert(declaration.name.clone(), tensor);
        }
        Ok(state)
    }

    fn views(&self) -> Result<BTreeMap<String, TensorView<'_>>> {
        let file = SafeTensors::deserialize(&self.bytes).map_err(|error| {
            let description =
                "the file is not a complete safetensors file; export it again with safetensors.torch.save_file";
            Error::invalid("MALFORMED_MODEL", "uri", description).with_source(error)
        })?;
        let names: Vec<_> = file.iter().map(|(name, _)| name.to_owned()).collect();
        let prefix = wrapper_prefix(&names);
        Ok(file.iter().map(|(name, view)| (name[prefix.len()..].to_owned(), view)).collect())
    }
}

/// `DataParallel` puts `module.` before every name, `torch.compile` puts `_orig_mod.`.
fn wrapper_prefix(names: &[String]) -> &'static str {
    let common = |prefix: &&str| !names.is_empty() && names.iter().all(|name| name.starts_with(prefix));
    ["module.", "_orig_mod."].into_iter().find(common).unwrap_or("")
}

const REMEDY: &str = "name the architecture and class count that the weights were saved from";

fn check_names(views: &BTreeMap<String, TensorView>, declarations: &[Declaration]) -> Result<()> {
    let needed = |declaration: &&Declaration| declaration.role != Role::BatchCount;
    let missing = declarations.iter().filter(needed).map(|declaration| declaration.name.as_str());
    let missing: Vec<_> = missing.filter(|name| !views.contains_key(*name)).collect();
    if !missing.is_empty() {
        let description = format!("the file lacks {} that the architecture needs; {REMEDY}", list(&missing));
        return Err(Error::invalid("MISSING_TENSOR", "uri", description));
    }
    let declared: std::collections::HashSet<_> = declarations.iter().map(|declaration| &declaration.name).collect();
    let further: Vec<_> = views.keys().filter(|name| !declared.contains(name)).map(String::as_str).collect();
    if !further.is_empty() {
        let description = format!("the file has {} that the architecture does not know; {REMEDY}", list(&further));
        return Err(Error::invalid("UNEXPECTED_TENSOR", "uri", description));
    }
    Ok(())
}

/// The first names and how many more: `2 tensors: a, b`.
fn list(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{}`", shorten(name))).collect();
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    let noun = if names.len() == 1 { "tensor" } else { "tensors" };
    format!("{} {noun} ({}{more})", names.len(), shown.join(", "))
}

fn shorten(name: &str) -> String {
    name.chars().take(80).collect()
}

fn check_shapes(views: &BTreeMap<String, TensorView>, declarations: &[Declaration]) -> Result<()> {
    for declaration in declarations {
        let Some(view) = views.get(&declaration.name) else { continue };
        let found: Vec<i64> = view.shape().iter().map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect();
        if found != declaration.shape {
            let Declaration { name, shape, .. } = declaration;
            let description =
                format!("tensor `{name}` has shape {found:?}, the architecture needs {shape:?}; {REMEDY}");
            return Err(Error::invalid("TENSOR_SHAPE_MISMATCH", "uri", description));
        }
        let (found, needed) = (view.dtype(), dtype(declaration.role.kind()));
        if found != needed {
            let description = format!("tensor `{}` is {found:?}, {needed:?} is needed", declaration.name);
            return Err(Error::invalid("TENSOR_TYPE_MISMATCH", "uri", description));
        }
    }
    Ok(())
}

fn to_tensor(view: &TensorView, declaration: &Declaration) -> Result<Tensor> {
    let failed = torch_error("copy the weights");
    let tensor = Tensor::f_from_data_size(view.data(), &declaration.shape, declaration.role.kind()).map_err(&failed)?;
    if is_finite(&tensor).map_err(&failed)? {
        return Ok(tensor);
    }
    let description = format!("tensor `{}` has infinite or NaN values; the training run diverged", declaration.name);
    Err(Error::invalid("NON_FINITE_WEIGHTS", "uri", description))
}

fn dtype(kind: Kind) -> Dtype {
    if kind == Kind::Int64 { Dtype::I64 } else { Dtype::F32 }
}

/// A tensor on its way into a file.
struct Saved {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Saved {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Built-in architectures have f32 and i64 only; a TorchScript model may have others.
const SAVED_KINDS: [(Kind, Dtype); 5] = [
    (Kind::Float, Dtype::F32),
    (Kind::Int64, Dtype::I64),
    (Kind::Half, Dtype::F16),
    (Kind::BFloat16, Dtype::BF16),
    (Kind::Double, Dtype::F64),
];

/// The bytes of a safetensors file with the tensors in C order.
pub(super) fn serialise(state: &[(String, Tensor)]) -> Result<Vec<u8>> {
    let mut saved = Vec::with_capacity(state.len());
    for (name, tensor) in state {
        let Some(&(_, dtype)) = SAVED_KINDS.iter().find(|(kind, _)| *kind == tensor.kind()) else {
            let message = format!("tensor `{name}` of type {:?} has no place in a safetensors file", tensor.kind());
            return Err(Error::failed_precondition("UNSUPPORTED_TENSOR_TYPE", message));
        };
        let shape = tensor.size().into_iter().map(|size| size.unsigned_abs() as usize).collect();
        let bytes = tensor_bytes(tensor).map_err(torch_error("read the weights"))?;
        saved.push((name.clone(), Saved { dtype, shape, bytes }));
    }
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(saved, Some(metadata))
        .map_err(|error| Error::internal("failed to serialise the weights").with_source(error))
}

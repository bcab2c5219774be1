//! Integrated gradients of the inputs that `attribution.py` leaves in a folder; what comes out lies beside them.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use serde::Deserialize;
use tch::{Device, Tensor};
use unlearnd::domain::attribution::{AttributionMethod, AttributionOptions, QuadratureRule};
use unlearnd::domain::finetune::Precision;
use unlearnd::domain::model::{ModelFormat, ModelSpec};
use unlearnd::ml::attribution::{AttributionTask, Finished, Item};
use unlearnd::ml::backbone::{Backbone, Differentiable};
use unlearnd::ml::step::{Outcome, Task};

use crate::{Answer, Quiet, spec};

/// `inputs.safetensors` and `model.pt` are in the folder, `result.safetensors` is written there.
#[derive(Debug, Deserialize)]
pub(crate) struct Attribution {
    folder: PathBuf,
    torchscript: bool,
    steps: u32,
    #[serde(default)]
    rows: u32,
}

/// The time from a resident model to the last attribution, the copy made for gradients included.
pub(crate) fn attribute(model: &Backbone, precision: Precision, work: &Attribution) -> Answer {
    let script = work.torchscript.then(|| load_script(&work.folder.join("model.pt"))).transpose()?;
    let (inputs, targets) = inputs(&work.folder.join("inputs.safetensors"))?;
    forget_peak()?;
    let start = Instant::now();
    let model = Rc::new(script.as_ref().unwrap_or(model).differentiable(precision)?);
    let attributions = run(model, &inputs, &targets, work)?;
    let seconds = start.elapsed().as_secs_f64();
    let (peak, longest) = (Tensor::from(peak_kib()?), Tensor::from(attributions.longest_step));
    let result = [
        ("attributions", attributions.values.view(inputs.size().as_slice())),
        ("peak_kib", peak),
        ("longest_step", longest),
    ];
    Tensor::write_safetensors(&result, work.folder.join("result.safetensors"))?;
    Ok(seconds)
}

struct Attributions {
    values: Tensor,
    /// Seconds.
    longest_step: f64,
}

fn run(
    model: Rc<Differentiable>,
    inputs: &Tensor,
    targets: &[i64],
    work: &Attribution,
) -> Result<Attributions, Box<dyn Error>> {
    let method = AttributionMethod::IntegratedGradients {
        rule: QuadratureRule::GaussLegendre,
        steps: work.steps,
        adaptive: false,
    };
    let options = AttributionOptions { method, internal_batch_size: work.rows, ..AttributionOptions::default() };
    let item = |(row, &target)| Item::new(&inputs.get(row), Some(target as u32), row as u64, model.spec());
    let items = (0..).zip(targets).map(item).collect::<Result<_, _>>()?;
    let mut task = AttributionTask::new(model.clone(), options, items)?;
    let (mut values, mut longest_step) = (Vec::new(), 0.0_f64);
    loop {
        let start = Instant::now();
        let outcome = task.step(&mut Quiet)?;
        longest_step = longest_step.max(start.elapsed().as_secs_f64());
        while let Some(Finished { attribution, .. }) = task.finished() {
            values.extend(attribution?.values);
        }
        if let Outcome::Done(()) = outcome {
            return Ok(Attributions { values: Tensor::from_slice(&values), longest_step });
        }
    }
}

fn inputs(path: &Path) -> Result<(Tensor, Vec<i64>), Box<dyn Error>> {
    let mut tensors = Tensor::read_safetensors(path)?;
    tensors.sort_by(|left, right| left.0.cmp(&right.0));
    let [(_, inputs), (_, targets)] = tensors.as_slice() else { return Err("expected inputs and targets".into()) };
    Ok((inputs.shallow_clone(), Vec::try_from(targets)?))
}

fn load_script(path: &Path) -> Result<Backbone, Box<dyn Error>> {
    let spec = ModelSpec { format: ModelFormat::TorchScript, architecture: String::new(), ..spec() };
    Ok(Backbone::load(path, &spec, Device::Cpu)?)
}

/// From here on the peak is counted anew (Linux).
fn forget_peak() -> std::io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

fn peak_kib() -> Result<i64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

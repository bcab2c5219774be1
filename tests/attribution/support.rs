//! Models, golden files and a task that runs to its end.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tch::{Device, Kind, Tensor};
use unlearnd::domain::Result;
use unlearnd::domain::attribution::{Attribution, AttributionMethod, AttributionOptions, QuadratureRule};
use unlearnd::domain::finetune::Precision;
use unlearnd::domain::job::EventBody;
use unlearnd::domain::model::ModelSpec;
use unlearnd::ml::attribution::{AttributionTask, Draw, Item, Randomness};
use unlearnd::ml::backbone::{Backbone, Differentiable};
use unlearnd::ml::random::Purpose;
use unlearnd::ml::step::{Outcome, Reporter, Task};

#[path = "../backbone/support.rs"]
#[allow(dead_code)]
mod backbone;

pub(crate) use backbone::{golden_model, images, torchscript};

pub(crate) const CLASSES: u32 = 5;
/// Of the golden cases.
pub(crate) const STEPS: u32 = 20;

pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/attribution").join(name)
}

/// Images of 8x8 pixels in three colours, mean .5 and deviation .25.
pub(crate) fn spec() -> ModelSpec {
    let mut spec = backbone::spec("small_cnn", CLASSES, 3, 8);
    spec.preprocessing.mean = vec![0.5; 3];
    spec.preprocessing.std = vec![0.25; 3];
    spec
}

pub(crate) fn script(name: &str) -> Rc<Differentiable> {
    let spec = ModelSpec { class_count: 0, ..torchscript(&spec()) };
    let model = Backbone::load(&file(name), &spec, Device::Cpu).unwrap();
    Rc::new(model.differentiable(Precision::F32).unwrap())
}

pub(crate) fn native() -> Rc<Differentiable> {
    Rc::new(golden_model(&spec()).differentiable(Precision::F32).unwrap())
}

/// Tensors of a golden file by name.
pub(crate) struct Golden(HashMap<String, Tensor>);

impl Golden {
    pub(crate) fn read(name: &str) -> Self {
        Self(Tensor::read_safetensors(file(name)).unwrap().into_iter().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("{name} is not in the golden file")).shallow_clone()
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<f64> {
        Vec::try_from(self.get(name).to_kind(Kind::Double).contiguous().view(-1)).unwrap()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The golden images with their targets; the n-th has stream n.
    pub(crate) fn items(&self, model: &Differentiable) -> Vec<Item> {
        let (inputs, targets) = (self.get("inputs"), self.numbers("targets"));
        let item = |(row, target): (usize, &f64)| {
            Item::new(&inputs.get(row as i64), Some(*target as u32), row as u64, model.spec()).unwrap()
        };
        targets.iter().enumerate().map(item).collect()
    }

    /// The numbers that Captum was given.
    pub(crate) fn randomness(&self) -> Rc<dyn Randomness> {
        let draws = ["normal/noise", "normal/infidelity", "uniform/baselines", "uniform/path", "uniform/sensitivity"];
        Rc::new(Injected(draws.map(|name| (name, self.get(name))).into()))
    }
}

/// Tensors `[item, number, value]`.
#[derive(Debug)]
struct Injected(HashMap<&'static str, Tensor>);

impl Injected {
    fn draw(&self, name: &str, draw: Draw, count: usize) -> Vec<f64> {
        let drawn = self.0[name].get(draw.item as i64).get(draw.number as i64);
        let drawn: Vec<f64> = Vec::try_from(drawn.to_kind(Kind::Double)).unwrap();
        assert_eq!(drawn.len(), count);
        drawn
    }
}

impl Randomness for Injected {
    fn uniform(&self, draw: Draw, count: usize) -> Vec<f64> {
        let name = match draw.purpose {
            Purpose::AttributionBaseline => "uniform/baselines",
            Purpose::AttributionPath => "uniform/path",
            Purpose::Sensitivity => "uniform/sensitivity",
            other => panic!("nothing uniform is drawn for {other:?}"),
        };
        self.draw(name, draw, count)
    }

    fn normal(&self, draw: Draw, count: usize) -> Vec<f64> {
        let name = match draw.purpose {
            Purpose::AttributionNoise => "normal/noise",
            Purpose::Infidelity => "normal/infidelity",
            other => panic!("nothing normal is drawn for {other:?}"),
        };
        self.draw(name, draw, count)
    }
}

pub(crate) fn integrated(rule: QuadratureRule, steps: u32) -> AttributionOptions {
    let method = AttributionMethod::IntegratedGradients { rule, steps, adaptive: false };
    AttributionOptions { method, ..AttributionOptions::default() }
}

/// Everything that comes out, in the order of the items.
pub(crate) fn finish(mut task: AttributionTask) -> Vec<Result<Attribution>> {
    let mut attributions = Vec::new();
    loop {
        let outcome = task.step(&mut Quiet).unwrap();
        while let Some(finished) = task.finished() {
            assert_eq!(finished.index, attributions.len());
            attributions.push(finished.attribution);
        }
        if let Outcome::Done(()) = outcome {
            return attributions;
        }
    }
}

pub(crate) fn attribute(
    model: &Rc<Differentiable>,
    options: &AttributionOptions,
    items: Vec<Item>,
) -> Vec<Result<Attribution>> {
    finish(AttributionTask::new(model.clone(), options.clone(), items).unwrap())
}

pub(crate) struct Quiet;

impl Reporter for Quiet {
    fn event(&mut self, _event: EventBody) -> Result<()> {
        Ok(())
    }
}

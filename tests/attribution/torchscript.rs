//! TorchScript models: what cannot be explained says so.

use std::path::Path;
use std::rc::Rc;

use tch::{Device, Kind, Tensor};
use unlearnd::domain::attribution::{AttributionMethod, AttributionOptions, QuadratureRule};
use unlearnd::domain::finetune::Precision;
use unlearnd::domain::model::{Layout, ModelSpec, Preprocessing};
use unlearnd::ml::attribution::Item;
use unlearnd::ml::backbone::Backbone;

use crate::support::{attribute, integrated, script, spec, torchscript};

fn ones() -> Tensor {
    Tensor::ones([3, 8, 8], (Kind::Float, Device::Cpu))
}

/// Half way from zeros to ones this model's output is infinite, although it is finite at both ends.
#[test]
fn an_output_that_is_not_finite_names_its_step() {
    let model = script("pole.pt");
    let item = || Item::new(&ones(), Some(0), 0, model.spec()).unwrap();
    for (rule, steps, step) in
        [(QuadratureRule::LinspaceMean, 5, "step 3 of 5"), (QuadratureRule::GaussLegendre, 1, "step 1 of 1")]
    {
        let found = attribute(&model, &integrated(rule, steps), vec![item()]).remove(0);
        let error = found.unwrap_err();
        assert_eq!(error.reason, "NON_FINITE_OUTPUT");
        assert!(error.message.contains(step), "{}", error.message);
    }
}

#[test]
fn a_gradient_that_is_cut_off_is_refused_and_occlusion_still_works() {
    let model = script("cut.pt");
    let error = model.explain(&ones().unsqueeze(0), &[0], Default::default()).unwrap_err();
    assert_eq!(error.reason, "MODEL_NOT_DIFFERENTIABLE");
    let method = AttributionMethod::Occlusion { window: 2, stride: 2 };
    let options = AttributionOptions { method, ..AttributionOptions::default() };
    let item = Item::new(&ones(), Some(0), 0, model.spec()).unwrap();
    let found = attribute(&model, &options, vec![item]).remove(0).unwrap();
    assert!(found.values.iter().all(|value| (value - 1.0 / 16.0).abs() < 1e-6));
}

/// Attributions of a model that takes NHWC images are `[C,H,W]` all the same.
#[test]
fn images_in_another_layout_are_explained_in_the_usual_one() {
    let mut spec = ModelSpec { class_count: 0, ..torchscript(&spec()) };
    spec.preprocessing =
        Preprocessing { channels: 1, layout: Layout::Nhwc, mean: vec![], std: vec![], ..spec.preprocessing };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/backbone/methods.pt");
    let model = Backbone::load(&file, &spec, Device::Cpu).unwrap().differentiable(Precision::F32).unwrap();
    let image = (Tensor::arange(64, (Kind::Float, Device::Cpu)) / 10.0).sin().view([1, 8, 8]);
    let item = Item::new(&image, None, 0, model.spec()).unwrap();
    let found = attribute(&Rc::new(model), &AttributionOptions::default(), vec![item]).remove(0).unwrap();
    assert_eq!((found.channels, found.height, found.width), (1, 8, 8));
    assert!(found.relative_delta < 0.05, "{found:?}");
}

//! Models that are whole but unusual: activations that never change, outputs that are no numbers, two classes, no way to their
//! embedding. Each gives an answer or a refusal that says what to do.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::{SafeTensors, tensor::TensorView};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::attribute_request::{Input, input};
use unlearnd::pb::v1::job::State;
use unlearnd::pb::v1::learn_concept_bank_request::{ExampleSet, Examples, Source, examples};

use crate::support::shapes::{Shapes, csv, poison, preprocessing, selector, source, training, written};

const PLAIN: &[u8] = include_bytes!("../golden/backbone/plain.pt");

/// Loads the network of `shapes` under another name, after `change` has seen each of its f32 tensors.
async fn changed(shapes: &Shapes, id: &str, change: impl Fn(&str, &mut [f32])) {
    let path = shapes.root().join(format!("{id}.safetensors"));
    let uri = format!("file://{}", path.display());
    let request =
        pb::ExportModelVersionRequest { name: "models/shapes".into(), uri: uri.clone(), ..Default::default() };
    shapes.daemon.models().export_model_version(request).await.unwrap();
    rewrite(&path, change);
    let request = pb::LoadModelRequest {
        model_id: id.into(),
        uri,
        architecture: "small_cnn".into(),
        preprocessing: Some(preprocessing(8)),
        ..Default::default()
    };
    shapes.daemon.models().load_model(request).await.unwrap();
}

fn rewrite(path: &Path, change: impl Fn(&str, &mut [f32])) {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut changed = BTreeMap::new();
    for (name, tensor) in file.tensors() {
        let mut data = tensor.data().to_vec();
        if tensor.dtype() == safetensors::Dtype::F32 {
            let mut values: Vec<f32> =
                data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
            change(&name, &mut values);
            data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        }
        changed.insert(name.clone(), (tensor.dtype(), tensor.shape().to_vec(), data));
    }
    let views = changed
        .iter()
        .map(|(name, (kind, shape, data))| (name.clone(), TensorView::new(*kind, shape.clone(), data).unwrap()));
    safetensors::serialize_to_file(views, None, path).unwrap();
}

fn learning(model: &str) -> pb::LearnConceptBankRequest {
    let set = |class| Some(ExampleSet { source: source("shapes-train"), selector: selector(class) });
    let concept = examples::Concept { name: "crossed".into(), positives: set("cross"), negatives: set("bar") };
    pb::LearnConceptBankRequest {
        concept_bank_id: format!("{model}-bank"),
        model: format!("models/{model}"),
        source: Some(Source::Examples(Examples { concepts: vec![concept] })),
        ..Default::default()
    }
}

async fn attribute(shapes: &Shapes, model: &str) -> Result<Vec<pb::AttributeResponse>, Status> {
    let sample = |index| Input {
        image: Some(input::Image::Sample(input::Sample { source: source("shapes-test"), index })),
        target_class: String::new(),
    };
    let request = pb::AttributeRequest {
        model: format!("models/{model}"),
        inputs: (0..2).map(sample).collect(),
        ..Default::default()
    };
    shapes.attributed(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn identical_activations_teach_no_concept() {
    let shapes = Shapes::start().await;
    changed(&shapes, "blind", |_, values| values.fill(0.0)).await;
    let job = shapes.daemon.concepts().learn_concept_bank(learning("blind")).await.unwrap().into_inner().name;
    let job = shapes.finished(&job).await;
    let error = job.error.expect("nothing can be learnt");
    assert_eq!((job.state, error.code), (State::Failed as i32, Code::FailedPrecondition as i32));
    assert!(error.message.contains("same for every example") && error.message.contains("NEAREST_CLASS"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_no_number_fails_the_item_and_names_the_step() {
    let shapes = Shapes::start().await;
    changed(&shapes, "broken", |name, values| {
        if name == "fc.weight" {
            values.fill(f32::MAX);
        }
    })
    .await;
    let answers = attribute(&shapes, "broken").await.unwrap();
    assert_eq!(answers.len(), 2, "each item has its answer");
    for answer in answers {
        let failure = answer.failure.expect("nothing can be explained");
        assert_eq!(failure.code, Code::FailedPrecondition as i32);
        assert!(failure.message.contains("the model's output is"), "{failure:?}");
    }
    assert!(attribute(&shapes, "shapes").await.unwrap().iter().all(|answer| answer.failure.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_classes_are_enough() {
    let shapes = Shapes::start().await;
    for (split, count) in [("train", 240), ("test", 90)] {
        let text = csv(count, 5);
        let two: Vec<&str> = text.lines().filter(|line| !line.starts_with("square")).collect();
        let path = written(&shapes, &format!("two-{split}.csv"), &two.join("\n"));
        shapes.register(&format!("two-{split}"), &path, split).await.unwrap();
    }
    let request = pb::CreateModelRequest {
        model_id: "two".into(),
        architecture: "small_cnn".into(),
        class_count: 2,
        preprocessing: Some(preprocessing(8)),
        ..Default::default()
    };
    shapes.daemon.models().create_model(request).await.unwrap();
    let spec = pb::PoisonSpec { model: "models/two".into(), train: source("two-train"), ..poison() };
    let mut teach = pb::FineTunePoisonedRequest { promote: true, ..training(6, 0.05) };
    teach.poison = Some(pb::PoisonSpec { forget: None, ..spec.clone() });
    let job = shapes.fine_tune(teach).await.unwrap();
    assert_eq!(shapes.finished(&job).await.state(), State::Succeeded);
    let request = pb::UnlearnRequest {
        poison: Some(spec),
        trainer: Some(pb::TrainerSpec { scope: pb::Scope::Head.into(), ..training(20, 0.05).trainer.unwrap() }),
        test: source("two-test"),
        ..Default::default()
    };
    let job = shapes.finished(&shapes.unlearn(request).await.unwrap().name).await;
    let result = job.result.and_then(|result| result.result);
    let Some(pb::job_result::Result::Unlearn(result)) = result else { panic!("{:?}", job.error) };
    assert_eq!(result.donor, "bar", "the only other class");
}

#[tokio::test(flavor = "multi_thread")]
async fn torchscript_without_an_embedding_attributes_but_has_no_concepts() {
    let shapes = Shapes::start().await;
    let path = shapes.root().join("plain.pt");
    std::fs::write(&path, PLAIN).unwrap();
    let request = pb::LoadModelRequest {
        model_id: "plain".into(),
        uri: format!("file://{}", path.display()),
        preprocessing: Some(preprocessing(8)),
        ..Default::default()
    };
    shapes.daemon.models().load_model(request).await.unwrap();
    assert!(attribute(&shapes, "plain").await.unwrap().iter().all(|answer| answer.failure.is_none()));
    let refused = shapes.daemon.concepts().learn_concept_bank(learning("plain")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    assert!(refused.message().contains("embed"), "says what is missing: {}", refused.message());
    assert!(refused.get_details_error_info().is_some());
}

//! The whole of concepts on rendered images whose attributes are known: colour and stroke decide the class, texture and position
//! tell nothing about it.

use std::path::Path;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::library::attributes::{self, AttributeDataset};
use super::{cav, nmf, projection, tcav};
use crate::domain::Result;
use crate::domain::concept::{CavSpec, ConceptActivations, ConceptVectors, TcavResult, TcavSpec};
use crate::domain::dataset::{ImageBatch, ImageShape, ImageSource, Pixels};
use crate::domain::finetune::{Method, Schedule, Scope, TrainerSpec};
use crate::domain::model::{ModelSpec, Preprocessing, Resize};
use crate::ml::activations::{Embeddings, head_gradients};
use crate::ml::backbone::{Backbone, BnMode};
use crate::ml::finetune::{FineTuneInputs, FineTuneTask};
use crate::ml::interrupt::Interrupt;
use crate::ml::membership::roc::Roc;
use crate::ml::poison::{Targets, TrainingSet};
use crate::ml::testing::{self, Events, complete};
use crate::ml::torch::{NoGrad, images_to_tensor};

const SIZE: u32 = 24;
const CLASSES: usize = 4;
const ATTRIBUTES: [&str; 4] = ["colour", "stroke", "texture", "position"];

/// Rendered images as a split.
#[derive(Debug)]
struct Rendered {
    key: String,
    data: AttributeDataset,
}

impl Rendered {
    fn new(count: usize, seed: u64) -> Self {
        Self { key: format!("attributes-{count}-{seed}"), data: attributes::dataset(count, SIZE, seed) }
    }

    fn has(&self, attribute: usize) -> &[bool] {
        let AttributeDataset { colour, stroke, texture, position, .. } = &self.data;
        [colour, stroke, texture, position][attribute]
    }
}

impl ImageSource for Rendered {
    fn key(&self) -> &str {
        &self.key
    }

    fn labels(&self) -> &[u32] {
        &self.data.labels
    }

    fn read(&self, positions: &[usize], shape: ImageShape, _resize: Resize) -> Result<ImageBatch> {
        let size = shape.value_count();
        let pixels = positions.iter().flat_map(|at| &self.data.pixels[at * size..][..size]).copied().collect();
        Ok(ImageBatch { count: positions.len(), shape, pixels: Pixels::Bytes(pixels) })
    }
}

fn spec() -> ModelSpec {
    let spec = testing::spec(CLASSES as u32);
    ModelSpec { preprocessing: Preprocessing { height: SIZE, width: SIZE, ..spec.preprocessing }, ..spec }
}

/// A small network that knows the four classes.
fn trained(folder: &Path) -> Backbone {
    let source = Rendered::new(1200, 1);
    let training = TrainingSet {
        indices: (0..source.len()).collect(),
        targets: Targets::Hard(source.labels().to_vec()),
        true_labels: source.labels().to_vec(),
        is_forget: vec![false; source.len()],
    };
    // Until it knows every held-out image, on whatever processor: a network that is still learning differs from one to the next.
    let trainer = TrainerSpec {
        learning_rate: 0.02,
        batch_size: 32,
        epochs: 16,
        schedule: Schedule::Cosine { minimum: 0.0 },
        seed: 3,
        ..TrainerSpec::for_scope(Scope::All)
    };
    let inputs = FineTuneInputs {
        parent: Backbone::initialise(&spec(), 5, Device::Cpu).unwrap(),
        source: Arc::new(source),
        training,
        method: Method::Train,
        trainer,
        checkpoint_folder: folder.join("checkpoints"),
        cache: None,
        baseline_retain_accuracy: None,
    };
    complete(&mut FineTuneTask::new(inputs).unwrap(), &mut Events::default()).unwrap().backbone
}

fn embed(backbone: &Backbone, source: &Rendered) -> Embeddings {
    let _guard = NoGrad::enter();
    let positions: Vec<usize> = (0..source.len()).collect();
    let shape = ImageShape { height: SIZE, width: SIZE, channels: 3 };
    let batch = source.read(&positions, shape, Resize::None).unwrap();
    let images = images_to_tensor(&batch, &backbone.spec().preprocessing, Device::Cpu).unwrap();
    let features = backbone.embed(&images, BnMode::Eval).unwrap().to_kind(Kind::Float);
    let dim = features.size()[1] as usize;
    Embeddings { dim, values: Vec::try_from(features.contiguous().view([-1])).unwrap() }
}

fn accuracy(backbone: &Backbone, embeddings: &Embeddings, labels: &[u32]) -> f64 {
    let _guard = NoGrad::enter();
    let rows = Tensor::from_slice(&embeddings.values).view([embeddings.rows() as i64, embeddings.dim as i64]);
    let predicted: Vec<i64> = Vec::try_from(backbone.head(&rows).unwrap().argmax(1, false)).unwrap();
    let correct = predicted.iter().zip(labels).filter(|(predicted, label)| **predicted == i64::from(**label)).count();
    correct as f64 / labels.len() as f64
}

/// Rows with and without an attribute.
fn sides(embeddings: &Embeddings, has: &[bool]) -> ConceptActivations {
    let side = |wanted: bool| {
        let rows: Vec<usize> = (0..has.len()).filter(|row| has[*row] == wanted).collect();
        embeddings.subset(&rows)
    };
    ConceptActivations { positives: side(true), negatives: side(false) }
}

/// How well column `column` of `[rows, columns]` tells the attribute, in the better direction.
fn told(values: &[f32], columns: usize, column: usize, has: &[bool]) -> f64 {
    let side = |wanted: bool| -> Vec<f64> {
        let rows = values.chunks_exact(columns).zip(has).filter(|(_, has)| **has == wanted);
        rows.map(|(row, _)| f64::from(row[column])).collect()
    };
    let auc = Roc::new(&side(true), &side(false)).auc();
    auc.max(1.0 - auc)
}

#[test]
fn concepts_of_rendered_images_are_the_attributes_they_were_rendered_with() {
    let folder = tempfile::tempdir().unwrap();
    let backbone = trained(folder.path());
    let (examples, held_out) = (Rendered::new(600, 2), Rendered::new(400, 3));
    let (known, unseen) = (embed(&backbone, &examples), embed(&backbone, &held_out));
    let accuracy = accuracy(&backbone, &unseen, held_out.labels());
    println!("accuracy on held-out images {accuracy:.3}");
    assert!(accuracy > 0.95, "the network knows the classes: {accuracy}");

    let concepts: Vec<ConceptActivations> =
        (0..ATTRIBUTES.len()).map(|attribute| sides(&known, examples.has(attribute))).collect();
    learnt_vectors_find_every_attribute(&concepts, &unseen, &held_out);
    discovered_parts_match_most_attributes(&known, &unseen, &held_out);
    significance_falls_on_what_decides(&backbone, &concepts, &known, &unseen, &held_out);
}

fn learnt_vectors_find_every_attribute(concepts: &[ConceptActivations], unseen: &Embeddings, held_out: &Rendered) {
    let spec = CavSpec { examples_per_side: 120, ..CavSpec::default() };
    let mut vectors = ConceptVectors { dim: unseen.dim, ..ConceptVectors::default() };
    for (index, sides) in concepts.iter().enumerate() {
        let learnt = cav::learn(&sides.positives, &sides.negatives, unseen.dim, &spec, 1, index as u64).unwrap();
        vectors.weights.extend(learnt.vector);
        vectors.biases.push(learnt.bias);
    }
    let projections = projection::project(&unseen.values, &vectors, false);
    for (attribute, name) in ATTRIBUTES.iter().enumerate() {
        let auc = told(&projections, ATTRIBUTES.len(), attribute, held_out.has(attribute));
        println!("learnt {name}: AUC {auc:.3}");
        assert!(auc >= 0.95, "{name} {auc}");
    }
}

fn discovered_parts_match_most_attributes(known: &Embeddings, unseen: &Embeddings, held_out: &Rendered) {
    const PARTS: usize = 16;
    let found = nmf::factorise(&known.values, known.dim, PARTS, &nmf::Options::default(), &Interrupt::never()).unwrap();
    let projections = projection::project(&unseen.values, &found.vectors(), false);
    let best = |attribute: usize| {
        let has = held_out.has(attribute);
        (0..PARTS).map(|part| told(&projections, PARTS, part, has)).fold(0.0, f64::max)
    };
    let areas: Vec<f64> = (0..ATTRIBUTES.len()).map(best).collect();
    println!("discovered {ATTRIBUTES:?}: AUC {areas:.3?}");
    // A part matches where it alone tells the attribute in four of five pairs of images.
    assert!(areas.iter().filter(|area| **area >= 0.8).count() >= 3, "{areas:?}");
}

fn significance_falls_on_what_decides(
    backbone: &Backbone,
    concepts: &[ConceptActivations],
    known: &Embeddings,
    unseen: &Embeddings,
    held_out: &Rendered,
) {
    let concepts: Vec<&ConceptActivations> = concepts.iter().collect();
    let vectors =
        tcav::Vectors::learn(&concepts, &known.values, known.dim, &TcavSpec::default(), 1, &Interrupt::never())
            .unwrap();
    let mut told = Vec::new();
    for class in 0..CLASSES as u32 {
        let rows: Vec<usize> = (0..held_out.len()).filter(|row| held_out.labels()[*row] == class).collect();
        let own = Embeddings { dim: unseen.dim, values: unseen.subset(&rows) };
        let gradients = head_gradients(backbone, &own, class).unwrap();
        let results: Vec<TcavResult> = vectors.score(&gradients).into_iter().map(Option::unwrap).collect();
        for (result, name) in results.iter().zip(ATTRIBUTES) {
            println!(
                "class {class} {name}: score {:.2} random {:.2} p {:?} magnitude {:.3} significant {}",
                result.score, result.random_score, result.p_value, result.magnitude, result.significant
            );
        }
        let significant: Vec<bool> = results.iter().map(|result| result.significant).collect();
        told.push(significant);
    }
    assert_eq!(told, vec![vec![true, true, false, false]; CLASSES]);
}

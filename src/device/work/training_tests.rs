//! Batch work on a real device thread: prediction and training of a small model on a toy problem.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::tests::Bench;
use super::{Embed, FineTune, FineTuneOutput, HeadGradients, Predict};
use crate::device::{CancelReason, CancelToken, ModelSource, RunContext};
use crate::domain::dataset::ImageSource;
use crate::domain::finetune::{BatchNormMode, Method, Precision, Scope, TrainerSpec};
use crate::domain::job::{EventBody, Progress};
use crate::domain::{ErrorKind, Result};
use crate::ml::activations::Embeddings;
use crate::ml::evaluation::Predictions;
use crate::ml::poison::{Targets, TrainingSet};
use crate::ml::testing::{ToySource, spec};

const CLASSES: u32 = 4;

fn toy() -> Arc<dyn ImageSource> {
    Arc::new(ToySource::new(64, CLASSES, 1))
}

fn context() -> (RunContext, mpsc::Receiver<EventBody>, watch::Receiver<Progress>) {
    let (events, heard) = mpsc::channel(4096);
    let (progress_tx, progress) = watch::channel(Progress::default());
    let cancel = CancelToken::new();
    let label = "jobs/test".to_owned();
    (RunContext { label, cancel, deadline: None, events, progress: progress_tx }, heard, progress)
}

fn training(bench: &Bench, model: &ModelSource, name: &str, trainer: TrainerSpec) -> FineTune {
    let images = toy();
    let labels = images.labels().to_vec();
    let training_set = TrainingSet {
        indices: (0..images.len()).collect(),
        targets: Targets::Hard(labels.clone()),
        is_forget: vec![false; labels.len()],
        true_labels: labels,
    };
    FineTune {
        model: model.clone(),
        images,
        training_set,
        method: Method::Train,
        trainer,
        destination: bench.path(&format!("{name}.safetensors")),
        checkpoints: bench.path(&format!("{name}.checkpoints")),
    }
}

async fn predict(bench: &Bench, model: &ModelSource, positions: Vec<usize>) -> Predictions {
    let images = toy();
    let labels = positions.iter().map(|&position| images.labels()[position]).collect();
    let work = Predict { model: model.clone(), images, positions, labels, precision: Precision::F32 };
    bench.cpu().run(work, context().0).await.unwrap()
}

fn accuracy(predictions: &Predictions) -> f64 {
    let correct = predictions.predicted().into_iter().zip(&predictions.labels).filter(|(a, b)| *a == **b as usize);
    correct.count() as f64 / predictions.len() as f64
}

async fn train(bench: &Bench, work: FineTune) -> Result<FineTuneOutput> {
    bench.cpu().run(work, context().0).await
}

#[tokio::test]
async fn a_part_is_answered_as_it_is_in_the_whole() {
    let bench = Bench::new(1 << 30);
    let model = bench.create_from(1, spec(CLASSES)).await;
    let whole = predict(&bench, &model, (0..64).collect()).await;
    let part = predict(&bench, &model, vec![40, 3, 17]).await;
    let expected = whole.subset(&[40, 3, 17]);
    assert_eq!(part.labels, expected.labels);
    let largest = part.logits.iter().zip(&expected.logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest < 1e-5, "{largest}");
    assert_eq!(bench.cpu().info().models.len(), 1, "brought in by the work itself");
}

#[tokio::test]
async fn training_leaves_the_parent_alone_and_writes_a_better_version() {
    let bench = Bench::new(1 << 30);
    let parent = bench.create_from(1, spec(CLASSES)).await;
    let before = predict(&bench, &parent, (0..64).collect()).await;
    let trainer = TrainerSpec { learning_rate: 0.02, epochs: 8, batch_size: 16, ..TrainerSpec::for_scope(Scope::All) };
    let work = training(&bench, &parent, "all", trainer);
    let destination = work.destination.clone();
    let (context, mut heard, progress) = context();
    let output = bench.cpu().run(work, context).await.unwrap();

    assert_eq!((output.steps, output.epochs, output.early_stopped), (32, 8, false));
    assert_eq!(output.size_bytes, std::fs::metadata(&destination).unwrap().len());
    assert!(heard.try_recv().is_ok(), "losses are told");
    let last = progress.borrow().clone();
    assert!(last.step == last.total && last.total > 0, "{last:?}");
    let version = "m/versions/2".parse().unwrap();
    let child = ModelSource { version, path: destination, ..parent.clone() };
    let after = predict(&bench, &child, (0..64).collect()).await;
    assert!(accuracy(&after) > accuracy(&before).max(0.8), "{} then {}", accuracy(&before), accuracy(&after));
    assert_eq!(predict(&bench, &parent, (0..64).collect()).await, before);
}

#[tokio::test]
async fn interrupted_training_goes_on_to_the_same_weights() {
    let bench = Bench::new(1 << 30);
    let parent = bench.create_from(1, spec(CLASSES)).await;
    let trainer =
        TrainerSpec { epochs: 4, batch_size: 16, checkpoint_every_steps: 2, ..TrainerSpec::for_scope(Scope::All) };
    let straight = training(&bench, &parent, "straight", trainer.clone());
    let expected = straight.destination.clone();
    train(&bench, straight).await.unwrap();

    let (context, mut heard, _progress) = context();
    let cancel = context.cancel.clone();
    let (handle, first) = (bench.cpu(), training(&bench, &parent, "stopped", trainer.clone()));
    let run = tokio::spawn(async move { handle.run(first, context).await });
    while !matches!(heard.recv().await, Some(EventBody::Checkpoint(_)) | None) {}
    cancel.cancel(CancelReason::Shutdown);
    let stopped = run.await.unwrap();
    if let Err(error) = stopped {
        assert_eq!(error.kind, ErrorKind::Unavailable);
    }
    let second = training(&bench, &parent, "stopped", trainer);
    let found = second.destination.clone();
    assert_eq!(train(&bench, second).await.unwrap().steps, 16);
    assert_eq!(std::fs::read(found).unwrap(), std::fs::read(expected).unwrap());
}

#[tokio::test]
async fn retraining_starts_from_fresh_weights() {
    let bench = Bench::new(1 << 30);
    let parent = bench.create_from(1, spec(CLASSES)).await;
    let still = TrainerSpec { epochs: 1, learning_rate: 1e-9, seed: 2, ..TrainerSpec::for_scope(Scope::All) };
    let trainer = TrainerSpec { batch_norm: BatchNormMode::Frozen, ..still };
    let work = FineTune { method: Method::Retrain, ..training(&bench, &parent, "fresh", trainer) };
    let destination = work.destination.clone();
    train(&bench, work).await.unwrap();
    let fresh = bench.create_from(2, spec(CLASSES)).await;
    let child = ModelSource { version: "m/versions/3".parse().unwrap(), path: destination, ..parent.clone() };
    let first = async |model| predict(&bench, model, vec![0]).await.logits[0];
    let (parent, fresh, child) = (first(&parent).await, first(&fresh).await, first(&child).await);
    assert!((fresh - child).abs() < 1e-4 && (parent - child).abs() > 1e-4, "{parent} {fresh} {child}");
}

#[tokio::test]
async fn training_that_cannot_fit_is_refused() {
    let bench = Bench::new(4 << 20);
    let parent = bench.create_from(1, spec(CLASSES)).await;
    let work = training(&bench, &parent, "large", TrainerSpec::for_scope(Scope::All));
    let held = bench.cpu().call(|residents| residents.reserve("something else", 3 << 20)).await;
    let error = train(&bench, work).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::ResourceExhausted, "DEVICE_MEMORY"));
    drop(held);
}

async fn embed(bench: &Bench, model: &ModelSource, positions: Vec<usize>) -> Embeddings {
    let work = Embed { model: model.clone(), images: toy(), positions, precision: Precision::F32 };
    bench.cpu().run(work, context().0).await.unwrap()
}

#[tokio::test]
async fn chosen_samples_embed_alike_before_and_after_the_whole_is_cached() {
    let bench = Bench::new(1 << 30);
    let model = bench.create_from(1, spec(CLASSES)).await;
    let alone = embed(&bench, &model, vec![40, 3]).await;
    let whole = embed(&bench, &model, (0..64).collect()).await;
    let cached = embed(&bench, &model, vec![40, 3]).await;
    assert_eq!((whole.rows(), cached.rows()), (64, 2));
    assert_eq!(cached.values, whole.subset(&[40, 3]));
    let largest = alone.values.iter().zip(&cached.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest < 1e-5, "{largest}");
    let anatomy = bench.cpu().inspect_embedding(model).await.unwrap();
    assert_eq!((anatomy.dim as usize, anatomy.prefix_hash.len()), (whole.dim, 64));
}

/// What one class gains the others lose.
#[tokio::test]
async fn gradients_of_all_classes_cancel() {
    let bench = Bench::new(1 << 30);
    let model = bench.create_from(1, spec(CLASSES)).await;
    let rows = embed(&bench, &model, vec![5]).await;
    let classes = (0..CLASSES).map(|class| (class, rows.clone())).collect();
    let gradients = bench.cpu().run(HeadGradients { model: model.clone(), classes }, context().0).await.unwrap();
    assert_eq!(gradients.len(), CLASSES as usize);
    assert!(gradients[0].iter().any(|value| value.abs() > 1e-4), "the head depends on its input");
    for index in 0..rows.dim {
        let sum: f64 = gradients.iter().map(|of| f64::from(of[index])).sum();
        assert!(sum.abs() < 1e-6, "{sum}");
    }
}

//! What a request names, found: versions with their files, splits with the model's view of their labels.

use std::sync::Arc;

use super::classes::{ClassMap, check_class_count, held_out};
use super::core::Core;
use super::failure::{blocking, precondition};
use crate::device::{DeviceHandle, ModelSource};
use crate::domain::Result;
use crate::domain::dataset::{DataSource, DatasetRecord, ImageShape, ImageSource, Selector};
use crate::domain::ids::{ModelRef, VersionName};
use crate::domain::model::{ModelRecord, ModelSpec, Resize, VersionRecord};
use crate::ml::random::{self, Purpose};
use crate::storage::datasets::Split;

/// One version of a model, and where it runs.
#[derive(Debug, Clone)]
pub(super) struct ModelUse {
    pub(super) record: ModelRecord,
    pub(super) version: VersionRecord,
    pub(super) source: ModelSource,
    pub(super) device: DeviceHandle,
}

impl ModelUse {
    pub(super) fn name(&self) -> &VersionName {
        &self.version.name
    }

    pub(super) fn spec(&self) -> &ModelSpec {
        &self.record.spec
    }
}

/// A split, with the samples that a selector picks from it, as a model sees it.
#[derive(Debug, Clone)]
pub(super) struct Samples {
    pub(super) split: Arc<Split>,
    pub(super) dataset: DatasetRecord,
    /// Class of the model of every sample.
    pub(super) labels: Vec<u32>,
    /// Positions that the selector picks, ascending.
    pub(super) selected: Vec<usize>,
}

impl Samples {
    /// Said where what is held out is what was trained on.
    pub(super) fn warn_if_same(&self, test: &Self) -> Option<String> {
        let is_same = self.dataset.content_hash == test.dataset.content_hash && self.split.name() == test.split.name();
        is_same.then(|| {
            format!(
                "train and test are the same samples (split `{}` of `{}`), so that accuracies on test say nothing of samples that \
                 the layer has not seen; name another split",
                test.split.name(),
                test.dataset.id
            )
        })
    }

    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether each sample is picked.
    pub(super) fn mask(&self) -> Vec<bool> {
        let mut mask = vec![false; self.len()];
        self.selected.iter().for_each(|position| mask[*position] = true);
        mask
    }

    /// Positions that are not picked, ascending.
    pub(super) fn rest(&self) -> Vec<usize> {
        let mask = self.mask();
        (0..self.len()).filter(|position| !mask[*position]).collect()
    }

    pub(super) fn labels_at(&self, positions: &[usize]) -> Vec<u32> {
        positions.iter().map(|position| self.labels[*position]).collect()
    }
}

/// What a split is for; decides which one an unnamed source means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Train,
    Test,
    /// Samples that a request asks about, under `source` and `selector`.
    Asked,
}

impl Role {
    /// Of the split that an unnamed source means, where there are several.
    fn split(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test | Self::Asked => "test",
        }
    }

    /// The request's fields that name the data and choose from them.
    fn fields(self) -> (&'static str, &'static str) {
        match self {
            Self::Train => ("train", "forget"),
            Self::Test => ("test", "forget"),
            Self::Asked => ("source", "selector"),
        }
    }
}

impl Core {
    /// The version that `model` means now.
    pub(super) async fn find_model(&self, model: &ModelRef) -> Result<ModelUse> {
        let record = self.store.model(model.model()).await?.record;
        let name = match model {
            ModelRef::Version(name) => name.clone(),
            ModelRef::Served(id) => VersionName { model: id.clone(), number: record.served },
        };
        let version = self.store.version(&name).await?;
        let source = self.source(&record.spec, &version);
        let device = self.devices.get(&record.device)?;
        Ok(ModelUse { record, version, source, device })
    }

    pub(super) fn source(&self, spec: &ModelSpec, version: &VersionRecord) -> ModelSource {
        ModelSource {
            version: version.name.clone(),
            path: self.layout.weights(&version.name, spec.format),
            spec: spec.clone(),
            sha256: version.sha256.clone(),
        }
    }

    /// The split that `source` means, checked against the model; errors name the fields of its role.
    pub(super) async fn find_samples(
        &self,
        source: &DataSource,
        role: Role,
        selector: &Selector,
        model: &ModelSpec,
    ) -> Result<Samples> {
        model.check_takes_images()?;
        let dataset = self.open_dataset(&source.dataset).await?;
        let (split_name, selector, model) = (source.split.clone(), selector.clone(), model.clone());
        let (field, selector_field) = role.fields();
        blocking(move || {
            let split = dataset.split_for(&split_name, role.split()).map_err(|error| error.under(field))?;
            let record = dataset.record().clone();
            check_shape(&record, &model, field)?;
            let map = ClassMap::between(&record.class_names, &model);
            let labels = map.labels(split.labels());
            check_class_count(&labels, &model, field)?;
            let selected = split.select(&map.selector(&selector)).map_err(|error| error.under(selector_field))?;
            Ok(Samples { split, dataset: record, labels, selected })
        })
        .await
    }
}

pub(super) fn check_shape(dataset: &DatasetRecord, model: &ModelSpec, field: &str) -> Result<()> {
    let (Some(shape), Resize::None) = (dataset.image_shape, model.preprocessing.resize) else { return Ok(()) };
    let wanted = input_shape(model);
    if (shape.height, shape.width) == (wanted.height, wanted.width) {
        return Ok(());
    }
    let description = format!(
        "the images of `{}` are {shape}, the model takes {wanted}; load the model with bilinear resizing or use a dataset of that \
         size",
        dataset.id
    );
    Err(precondition("IMAGE_SIZE_MISMATCH", field, description))
}

/// Height, width and channels that a model takes.
pub(super) fn input_shape(model: &ModelSpec) -> ImageShape {
    let preprocessing = &model.preprocessing;
    ImageShape { height: preprocessing.height, width: preprocessing.width, channels: preprocessing.channels }
}

/// A held-out split with the forget selector's view of it.
#[derive(Debug, Clone)]
pub(super) struct HeldOut {
    /// `selected` is the forget part; empty when the selector speaks of training positions alone.
    pub(super) samples: Samples,
    /// Whether the selector says nothing about held-out samples.
    pub(super) any_sample: bool,
}

impl HeldOut {
    /// Samples that compare with the forget set, and the rest. Where the selector speaks of training positions alone any held-out
    /// sample compares; then a seeded half is left as the rest.
    pub(super) fn non_members(&self, seed: u64) -> (Vec<usize>, Vec<usize>) {
        if !self.any_sample {
            return (self.samples.selected.clone(), self.samples.rest());
        }
        let half = sample(&(0..self.samples.len()).collect::<Vec<_>>(), self.samples.len() / 2, seed, 0);
        let mut is_rest = vec![false; self.samples.len()];
        half.iter().for_each(|position| is_rest[*position] = true);
        ((0..self.samples.len()).filter(|position| !is_rest[*position]).collect(), half)
    }
}

impl Core {
    pub(super) async fn find_held_out(
        &self,
        source: &DataSource,
        forget: &Selector,
        model: &ModelSpec,
    ) -> Result<HeldOut> {
        let selector = held_out(forget);
        let mut samples = self.find_samples(source, Role::Test, &selector, model).await?;
        let any_sample = selector.is_empty();
        if any_sample {
            samples.selected.clear();
        }
        Ok(HeldOut { samples, any_sample })
    }
}

/// `count` of `positions` without repeats, ascending; depends on (seed, index) alone.
pub(super) fn sample(positions: &[usize], count: usize, seed: u64, index: u64) -> Vec<usize> {
    let mut generator = random::stream(seed, Purpose::Balance, index);
    let chosen = rand::seq::index::sample(&mut generator, positions.len(), count.min(positions.len()));
    let mut chosen: Vec<usize> = chosen.into_iter().map(|at| positions[at]).collect();
    chosen.sort_unstable();
    chosen
}

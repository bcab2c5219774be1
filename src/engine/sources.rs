//! What a request names, found: versions with their files, splits with the model's view of their labels.

use std::sync::Arc;

use super::classes::{ClassMap, check_class_count, held_out};
use super::core::Core;
use super::failure::{blocking, precondition};
use super::registry::OpenDataset;
use crate::device::{DeviceHandle, ModelSource};
use crate::domain::dataset::{DataSource, DatasetRecord, ImageShape, ImageSource, Selector};
use crate::domain::ids::{ModelRef, VersionName};
use crate::domain::model::{ModelRecord, ModelSpec, Resize, TextTask, VersionRecord};
use crate::domain::text::{TextForm, TextOptions, TextSource};
use crate::domain::{Error, Result};
use crate::ml::random::{self, Purpose};
use crate::storage::datasets::{Dataset, Split, TextDataset, TextSplit};

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
    pub(super) data: Data,
    pub(super) dataset: DatasetRecord,
    /// Class of the model of every sample. Of texts without labels: 1 for those that are picked, 0 for the others.
    pub(super) labels: Vec<u32>,
    /// Positions that the selector picks, ascending.
    pub(super) selected: Vec<usize>,
}

impl Samples {
    /// Whether they are of one split of the same content.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.dataset.content_hash == other.dataset.content_hash && self.data.name() == other.data.name()
    }

    /// Said where what is held out is what was trained on.
    pub(super) fn warn_if_same(&self, test: &Self) -> Option<String> {
        self.is_same(test).then(|| {
            format!(
                "train and test are the same samples (split `{}` of `{}`), so that accuracies on test say nothing of samples that \
                 the layer has not seen; name another split",
                test.data.name(),
                test.dataset.id
            )
        })
    }

    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether the samples have classes of their own.
    pub(super) fn has_classes(&self) -> bool {
        !self.dataset.class_names.is_empty()
    }

    /// The model's specification with the classes that it answers with on these samples: a model that generates has those of the data.
    pub(super) fn seen_by(&self, model: &ModelSpec) -> ModelSpec {
        if model.class_count > 0 || model.text.is_none() {
            return model.clone();
        }
        let unlabelled = || vec!["kept".to_owned(), "forgotten".to_owned()];
        let class_names = if self.has_classes() { self.dataset.class_names.clone() } else { unlabelled() };
        ModelSpec { class_count: class_names.len() as u32, class_names, ..model.clone() }
    }

    /// Nothing is picked: elsewhere an empty selector means all.
    pub(super) fn clear_selection(&mut self) {
        self.selected.clear();
        if !self.has_classes() {
            self.labels.fill(0);
        }
    }

    /// Texts are put to models in this way.
    #[must_use]
    pub(super) fn put_as(mut self, options: &TextOptions) -> Self {
        if let Data::Texts { options: own, .. } = &mut self.data {
            own.clone_from(options);
        }
        self
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

/// What samples are.
#[derive(Debug, Clone)]
pub(super) enum Data {
    Images(Arc<Split>),
    Texts {
        split: Arc<TextSplit>,
        /// How they are put to a model.
        options: TextOptions,
    },
}

impl Data {
    /// Of the split.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Images(split) => split.name(),
            Self::Texts { split, .. } => split.name(),
        }
    }

    /// For work on images: their model was checked when the samples were found.
    pub(super) fn images(&self) -> Result<&Arc<Split>> {
        match self {
            Self::Images(split) => Ok(split),
            Self::Texts { .. } => Err(Error::internal("texts where images were expected")),
        }
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
        let source = self.source(&record.spec, &version).await?;
        let device = self.devices.get(&record.device)?;
        Ok(ModelUse { record, version, source, device })
    }

    /// Where the files of a version are, and of the version whose weights it runs on.
    pub(super) async fn source(&self, spec: &ModelSpec, version: &VersionRecord) -> Result<ModelSource> {
        let file = |version: &VersionRecord, base| ModelSource {
            version: version.name.clone(),
            path: self.layout.weights(&version.name, spec.format),
            spec: spec.clone(),
            sha256: version.sha256.clone(),
            base,
        };
        let base = match &version.adapter {
            Some(adapter) => Some(Box::new(file(&self.store.version(&adapter.base).await?, None))),
            None => None,
        };
        Ok(file(version, base))
    }

    /// The split that `source` means, checked against the model; errors name the fields of its role.
    pub(super) async fn find_samples(
        &self,
        source: &DataSource,
        role: Role,
        selector: &Selector,
        model: &ModelSpec,
    ) -> Result<Samples> {
        let dataset = self.open_dataset(&source.dataset).await?;
        check_kind(&dataset, model, role.fields().0)?;
        let search = Search { split: source.split.clone(), role, selector: selector.clone(), model: model.clone() };
        blocking(move || match dataset {
            OpenDataset::Images(dataset) => search.images(&dataset),
            OpenDataset::Texts(dataset) => search.texts(&dataset),
        })
        .await
    }
}

/// Models of images look at images, language models read texts.
fn check_kind(dataset: &OpenDataset, model: &ModelSpec, field: &str) -> Result<()> {
    let description = match (dataset, &model.text) {
        (OpenDataset::Images(_), None) | (OpenDataset::Texts(_), Some(_)) => return Ok(()),
        (OpenDataset::Images(_), Some(_)) => {
            "the model reads texts and the dataset holds images; name a dataset of texts"
        }
        (OpenDataset::Texts(_), None) => "the model takes images and the dataset holds texts; name a dataset of images",
    };
    Err(precondition("DATASET_NOT_FOR_MODEL", field, description.to_owned()))
}

/// What is looked for in an open dataset.
struct Search {
    split: String,
    role: Role,
    selector: Selector,
    model: ModelSpec,
}

impl Search {
    fn images(&self, dataset: &Dataset) -> Result<Samples> {
        let (field, selector_field) = self.role.fields();
        let split = dataset.split_for(&self.split, self.role.split()).map_err(|error| error.under(field))?;
        let record = dataset.record().clone();
        check_shape(&record, &self.model, field)?;
        let map = ClassMap::between(&record.class_names, &self.model);
        let labels = map.labels(split.labels());
        check_class_count(&labels, &self.model, field)?;
        let selected = split.select(&map.selector(&self.selector)).map_err(|error| error.under(selector_field))?;
        Ok(Samples { data: Data::Images(split), dataset: record, labels, selected })
    }

    fn texts(&self, dataset: &TextDataset) -> Result<Samples> {
        let (field, selector_field) = self.role.fields();
        let split = dataset.split_for(&self.split, self.role.split()).map_err(|error| error.under(field))?;
        let record = dataset.record().clone();
        check_form(&record, &self.model, field)?;
        let map = ClassMap::between(&record.class_names, &self.model);
        let selected = split.select(&map.selector(&self.selector)).map_err(|error| error.under(selector_field))?;
        let labels =
            if record.class_names.is_empty() { picked(split.len(), &selected) } else { map.labels(split.labels()) };
        if self.model.class_count > 0 {
            check_class_count(&labels, &self.model, field)?;
        }
        let options = TextOptions::default();
        Ok(Samples { data: Data::Texts { split, options }, dataset: record, labels, selected })
    }
}

fn picked(count: usize, selected: &[usize]) -> Vec<u32> {
    let mut labels = vec![0; count];
    selected.iter().for_each(|&position| labels[position] = 1);
    labels
}

/// A classifier learns and is asked classes.
fn check_form(dataset: &DatasetRecord, model: &ModelSpec, field: &str) -> Result<()> {
    let classifies = model.text.as_ref().is_some_and(|text| text.task == TextTask::Classify);
    if !classifies || dataset.text_form == Some(TextForm::Labelled) {
        return Ok(());
    }
    let description =
        format!("the model is a classifier and `{}` has no labelled texts; name a dataset that has", dataset.id);
    Err(precondition("DATASET_NOT_FOR_MODEL", field, description))
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
            samples.clear_selection();
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

//! What shows a concept and what does not, found: samples of splits, or rendered ones.

use std::sync::Arc;

use super::super::core::Core;
use super::super::failure::{blocking, precondition};
use super::super::sources::{check_shape, sample};
use crate::domain::Result;
use crate::domain::concept::{ConceptExamples, ConceptSource, ExampleSet};
use crate::domain::dataset::{ImageSource, Selector};
use crate::domain::ids::DatasetId;
use crate::domain::model::ModelSpec;
use crate::ml::concept::library::{self, RenderedExamples};
use crate::storage::datasets::{Dataset, Split};

/// Fewest examples a side: one to learn from and one to judge by.
const LEAST_EXAMPLES: usize = 2;
const POSITIVES: &str = "positives";
const NEGATIVES: &str = "negatives";

/// The examples of one concept.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Examples {
    pub(in crate::engine) name: String,
    pub(in crate::engine) positives: Side,
    pub(in crate::engine) negatives: Side,
}

#[derive(Debug, Clone)]
pub(in crate::engine) struct Side {
    pub(in crate::engine) images: Arc<dyn ImageSource>,
    pub(in crate::engine) positions: Vec<usize>,
}

impl Side {
    /// At most `count` of them, a draw of its own for each side of each concept.
    fn drawn(self, count: usize, seed: u64, index: usize) -> Self {
        let positions = sample(&self.positions, count, seed, index as u64);
        Self { positions, ..self }
    }
}

impl Core {
    /// Examples of every concept of a source, at most `per_side` on each side; none for discovery, which has none.
    ///
    /// # Errors
    /// `TOO_FEW_EXAMPLES`, `UNKNOWN_CONCEPT` and what selectors have wrong, with the path of the request's field.
    pub(in crate::engine) async fn concept_examples(
        &self,
        source: &ConceptSource,
        model: &ModelSpec,
        per_side: usize,
        seed: u64,
    ) -> Result<Vec<Examples>> {
        let found = match source {
            ConceptSource::Examples(concepts) => self.named(concepts, model).await?,
            ConceptSource::Dataset(dataset) => self.folder(dataset, model).await?,
            ConceptSource::Procedural(names) => {
                return rendered(names, per_side, seed).map_err(|error| error.under("procedural"));
            }
            ConceptSource::Discovery { .. } => Vec::new(),
        };
        let draw = |(index, examples): (usize, Examples)| Examples {
            positives: examples.positives.drawn(per_side, seed, 2 * index),
            negatives: examples.negatives.drawn(per_side, seed, 2 * index + 1),
            name: examples.name,
        };
        Ok(found.into_iter().enumerate().map(draw).collect())
    }

    async fn named(&self, concepts: &[ConceptExamples], model: &ModelSpec) -> Result<Vec<Examples>> {
        let mut found = Vec::with_capacity(concepts.len());
        for (index, concept) in concepts.iter().enumerate() {
            let field = |side: &str| format!("examples.concepts[{index}].{side}");
            let positives = self.example_set(&concept.positives, model, &field(POSITIVES)).await?;
            let negatives = self.example_set(&concept.negatives, model, &field(NEGATIVES)).await?;
            found.push(Examples { name: concept.name.clone(), positives, negatives });
        }
        Ok(found)
    }

    /// The samples of one side.
    pub(in crate::engine) async fn example_set(
        &self,
        set: &ExampleSet,
        model: &ModelSpec,
        field: &str,
    ) -> Result<Side> {
        let dataset = self.open_images(&set.source.dataset).await?;
        let (set, model, path) = (set.clone(), model.clone(), field.to_owned());
        let find = move || {
            check_shape(dataset.record(), &model, "source")?;
            let split = dataset.split(&set.source.split).map_err(|error| error.under("source"))?;
            let positions = split.select(&set.selector).map_err(|error| error.under("selector"))?;
            enough(positions, split, "selector")
        };
        blocking(move || find().map_err(|error| error.under(&path))).await
    }

    /// Every split of the dataset as a concept.
    async fn folder(&self, id: &DatasetId, model: &ModelSpec) -> Result<Vec<Examples>> {
        let (dataset, model) = (self.open_images(id).await?, model.clone());
        blocking(move || {
            check_shape(dataset.record(), &model, "folder.dataset")?;
            let splits = dataset.record().splits.iter().map(|split| split.name.clone());
            splits.map(|name| of_split(&dataset, &name)).collect()
        })
        .await
    }
}

fn of_split(dataset: &Dataset, name: &str) -> Result<Examples> {
    let split = dataset.split(name)?;
    let side = |class: &str| {
        let selector = Selector { classes: vec![class.to_owned()], ..Selector::default() };
        let positions = split.select(&selector).map_err(|error| {
            let description = format!(
                "split `{name}` of `{}` has no class `{class}`; lay the folder out as concept/{{positives,negatives}}/image",
                dataset.record().id
            );
            precondition("NO_CONCEPT_FOLDER", "folder.dataset", description).with_source(error)
        })?;
        enough(positions, split.clone(), "folder.dataset")
    };
    Ok(Examples { name: name.to_owned(), positives: side(POSITIVES)?, negatives: side(NEGATIVES)? })
}

fn enough(positions: Vec<usize>, split: Arc<Split>, field: &str) -> Result<Side> {
    if positions.len() < LEAST_EXAMPLES {
        let description = format!(
            "{} example of split `{}` is too few for a side of a concept; give at least {LEAST_EXAMPLES}",
            positions.len(),
            split.name()
        );
        return Err(precondition("TOO_FEW_EXAMPLES", field, description));
    }
    Ok(Side { images: split, positions })
}

fn rendered(names: &[String], per_side: usize, seed: u64) -> Result<Vec<Examples>> {
    let names = library::resolve(names)?;
    let images = Arc::new(RenderedExamples::new(&names, per_side, seed));
    let side =
        |concept, positive| Side { images: images.clone(), positions: images.positions(concept, positive).collect() };
    let examples = names.iter().enumerate().map(|(index, name)| Examples {
        name: (*name).to_owned(),
        positives: side(index, true),
        negatives: side(index, false),
    });
    Ok(examples.collect())
}

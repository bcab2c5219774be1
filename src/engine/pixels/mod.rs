//! Poisoned pixels: which donor image goes where in which forgotten image, and the split with the poisoned images appended.

mod directions;

use std::collections::HashMap;
use std::sync::Arc;

use super::concepts::Insight;
use super::failure::blocking;
use super::lane::Lane;
use super::sources::{ModelUse, Samples, input_shape};
use super::views::{PoisonPreview, Shown};
use crate::device::work::{ConceptMaps, FeatureMaps};
use crate::domain::Result;
use crate::domain::dataset::ImageSource;
use crate::domain::finetune::{FineTuneSpec, Precision};
use crate::domain::model::ModelSpec;
use crate::domain::poison::{PoisonImageMode, PoisonPlan};
use crate::ml::poison::TrainingSet;
use crate::ml::poison::image::{ImagePoison, PoisonedImages, ScoreMap, choose_donors, needs_maps, place};
use crate::storage::images::png;
use directions::directions;

/// What is trained on: images with the poisoned ones behind the split's own, and the set that points at them.
#[derive(Debug, Clone)]
pub(super) struct Pixels {
    pub(super) images: Arc<dyn ImageSource>,
    pub(super) set: TrainingSet,
    /// Position in the split of each sample of the forget part, in the set's order.
    forgotten: Vec<usize>,
    /// Donor image of each poisoned position; empty where pixels stay.
    donors: HashMap<usize, usize>,
}

/// The images as the plan wants them; the split itself where pixels stay.
///
/// # Errors
/// `DONOR_CLASS_EMPTY`, `NON_FINITE_SCORES`.
pub(super) async fn poison_pixels(
    lane: &Lane,
    model: &ModelUse,
    samples: &Samples,
    spec: &FineTuneSpec,
    plan: &PoisonPlan,
    set: TrainingSet,
    insight: Option<&Insight>,
) -> Result<Pixels> {
    let forgotten = set.indices[..set.forget_count()].to_vec();
    if plan.image_mode == PoisonImageMode::None {
        return Ok(Pixels { images: samples.data.images()?.clone(), set, forgotten, donors: HashMap::new() });
    }
    let seed = spec.poison.seed;
    let pairs = pairs(samples, plan, &forgotten, seed)?;
    let maps = match needs_maps(plan.image_mode) {
        true => Some(score_maps(lane, model, samples, plan, &pairs, insight).await?),
        false => None,
    };
    let (samples, mode, shape) = (samples.clone(), plan.image_mode, input_shape(model.spec()));
    blocking(move || {
        let poisons = place(mode, &pairs, maps.as_ref(), shape, seed)?;
        composed(&samples, set, forgotten, pairs, poisons)
    })
    .await
}

/// Where each forgotten image and each donor shows what the image mode looks for, by position in the split.
async fn score_maps(
    lane: &Lane,
    model: &ModelUse,
    samples: &Samples,
    plan: &PoisonPlan,
    pairs: &[(usize, usize)],
    insight: Option<&Insight>,
) -> Result<HashMap<usize, ScoreMap>> {
    let by_class = directions(lane, model, samples, plan, insight).await?;
    let indices: HashMap<u32, usize> = by_class.keys().copied().zip((0..).step_by(2)).collect();
    // A position is looked at once; a donor image that several classes share is cut by the first of them.
    let mut asked: HashMap<usize, usize> = HashMap::new();
    for (position, donor) in pairs {
        let own = indices.get(&samples.labels[*position]).copied().unwrap_or_default();
        asked.entry(*position).or_insert(own);
        asked.entry(*donor).or_insert(own + 1);
    }
    let mut asked: Vec<(usize, usize)> = asked.into_iter().collect();
    asked.sort_unstable();
    let work = FeatureMaps {
        model: model.source.clone(),
        images: samples.data.images()?.clone(),
        samples: asked.clone(),
        directions: by_class.into_values().flat_map(|(own, donors)| [own, donors]).collect(),
        precision: Precision::F32,
    };
    let ConceptMaps { height, width, maps } = lane.run(&model.device, work).await?;
    let map = |((position, _), values): ((usize, usize), Vec<f32>)| (position, ScoreMap { height, width, values });
    Ok(asked.into_iter().zip(maps).map(map).collect())
}

/// Every poisoned sample with a donor image.
fn pairs(samples: &Samples, plan: &PoisonPlan, forgotten: &[usize], seed: u64) -> Result<Vec<(usize, usize)>> {
    let donors: HashMap<u32, u32> = plan.donors.iter().map(|donor| (donor.class, donor.donor)).collect();
    let mut by_class: HashMap<u32, Vec<usize>> = HashMap::new();
    samples.labels.iter().enumerate().for_each(|(position, label)| by_class.entry(*label).or_default().push(position));
    // Every forgotten class has a donor: the plan refuses image modes without.
    let donor_of = |position: usize| donors.get(&samples.labels[position]).copied().unwrap_or_default();
    let samples_of = |class: u32| by_class.get(&class).map(Vec::as_slice).unwrap_or_default();
    choose_donors(forgotten, donor_of, samples_of, seed)
}

fn composed(
    samples: &Samples,
    set: TrainingSet,
    forgotten: Vec<usize>,
    pairs: Vec<(usize, usize)>,
    poisons: Vec<ImagePoison>,
) -> Result<Pixels> {
    let images = PoisonedImages::new(samples.data.images()?.clone(), poisons);
    let set = set.redirected(&images.appended_positions());
    Ok(Pixels { images: Arc::new(images), set, forgotten, donors: pairs.into_iter().collect() })
}

/// The first poisoned images, before and after.
pub(super) fn previews(
    pixels: &Pixels,
    samples: &Samples,
    model: &ModelSpec,
    count: usize,
) -> Result<Vec<PoisonPreview>> {
    let read = |images: &dyn ImageSource, position: usize| {
        png(&images.read(&[position], input_shape(model), model.preprocessing.resize)?, 0)
    };
    let preview = |(row, position): (usize, &usize)| {
        Ok(PoisonPreview {
            position: *position as u64,
            class: samples.labels[*position],
            label: pixels.set.targets.label(row),
            donor_position: pixels.donors.get(position).map(|donor| *donor as u64),
            shown: Shown::Images {
                before: read(samples.data.images()?.as_ref(), *position)?,
                after: read(pixels.images.as_ref(), pixels.set.indices[row])?,
            },
        })
    };
    pixels.forgotten.iter().enumerate().take(count).map(preview).collect()
}

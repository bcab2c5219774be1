//! Which direction of the embedding tells where to cut and where to paste, for each image mode that localises.

use std::collections::BTreeMap;

use super::super::concepts::Insight;
use super::super::lane::Lane;
use super::super::sources::{ModelUse, Samples, sample};
use crate::device::work::{Embed, HeadGradients};
use crate::domain::concept::ConceptSign;
use crate::domain::finetune::Precision;
use crate::domain::poison::{PoisonImageMode, PoisonPlan};
use crate::domain::{Error, Result};
use crate::ml::activations::Embeddings;
use crate::ml::concept::classes::rank;

/// Samples of a class behind its mean embedding.
const CLASS_SAMPLES: usize = 64;

/// For each forgotten class: the direction for its own images and the one for its donor's.
pub(super) type Directions = BTreeMap<u32, (Vec<f32>, Vec<f32>)>;

pub(super) async fn directions(
    lane: &Lane,
    model: &ModelUse,
    samples: &Samples,
    plan: &PoisonPlan,
    insight: Option<&Insight>,
) -> Result<Directions> {
    let pairs: Vec<(u32, u32)> = plan.donors.iter().map(|donor| (donor.class, donor.donor)).collect();
    match plan.image_mode {
        PoisonImageMode::GradCam => by_gradient(lane, model, samples, &pairs).await,
        PoisonImageMode::Localized => by_concepts(insight, &pairs, heaviest),
        PoisonImageMode::Margin => by_concepts(insight, &pairs, margin),
        PoisonImageMode::None | PoisonImageMode::Center | PoisonImageMode::RandomPosition | PoisonImageMode::Full => {
            Ok(Directions::new())
        }
    }
}

fn by_concepts(
    insight: Option<&Insight>,
    pairs: &[(u32, u32)],
    direction: fn(&Insight, u32, u32) -> Vec<f32>,
) -> Result<Directions> {
    let insight = insight.ok_or_else(|| Error::internal("this image mode was planned without concepts"))?;
    let both =
        |&(class, donor): &(u32, u32)| (class, (direction(insight, class, donor), direction(insight, donor, class)));
    Ok(pairs.iter().map(both).collect())
}

/// The vector of a class's heaviest concept.
fn heaviest(insight: &Insight, class: u32, _other: u32) -> Vec<f32> {
    let concept = rank(insight.weights(class), &insight.bank.names, 1, ConceptSign::Signed);
    concept.first().map(|concept| insight.bank.vectors.vector(*concept).to_vec()).unwrap_or_default()
}

/// What tells a class from the other: its weights minus the other's, on the concepts' vectors.
fn margin(insight: &Insight, class: u32, other: u32) -> Vec<f32> {
    let mut direction = vec![0.0; insight.bank.vectors.dim];
    let weights = insight.weights(class).iter().zip(insight.weights(other));
    for (concept, (own, others)) in weights.enumerate() {
        let share = (own - others) as f32;
        direction.iter_mut().zip(insight.bank.vectors.vector(concept)).for_each(|(sum, value)| *sum += share * value);
    }
    direction
}

/// Grad-CAM (Selvaraju et al. 2017) on the last feature map, whose mean is the embedding. Its weights are the gradient by the
/// embedding; here of the class's logit beside the mean of all, at the class's mean embedding, one direction a class instead of one an image.
async fn by_gradient(lane: &Lane, model: &ModelUse, samples: &Samples, pairs: &[(u32, u32)]) -> Result<Directions> {
    let mut classes: Vec<u32> = pairs.iter().flat_map(|(class, donor)| [*class, *donor]).collect();
    classes.sort_unstable();
    classes.dedup();
    let mut means = Vec::with_capacity(classes.len());
    for class in &classes {
        means.push((*class, class_mean(lane, model, samples, *class).await?));
    }
    let work = HeadGradients { model: model.source.clone(), classes: means };
    let gradients: BTreeMap<u32, Vec<f32>> = classes.into_iter().zip(lane.run(&model.device, work).await?).collect();
    let of = |class: &u32| gradients.get(class).cloned().unwrap_or_default();
    Ok(pairs.iter().map(|(class, donor)| (*class, (of(class), of(donor)))).collect())
}

async fn class_mean(lane: &Lane, model: &ModelUse, samples: &Samples, class: u32) -> Result<Embeddings> {
    let own: Vec<usize> = (0..samples.len()).filter(|position| samples.labels[*position] == class).collect();
    let positions = sample(&own, CLASS_SAMPLES, 0, u64::from(class));
    let images = samples.data.images()?.clone();
    let work = Embed { model: model.source.clone(), images, positions, precision: Precision::F32 };
    let Embeddings { dim, values } = lane.run(&model.device, work).await?;
    let mut mean = vec![0.0; dim];
    let count = (values.len() / dim.max(1)).max(1) as f32;
    for row in values.chunks_exact(dim.max(1)) {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value / count);
    }
    Ok(Embeddings { dim, values: mean })
}

//! Which donor image goes into which forgotten one, from where and to where.

use std::collections::HashMap;

use rand::Rng;

use super::geometry::Rect;
use super::peak::ScoreMap;
use crate::domain::dataset::ImageShape;
use crate::domain::poison::PoisonImageMode;
use crate::domain::{Error, Result};
use crate::ml::random::{Purpose, stream};

/// Sides, of 224: the patch at a concept's peak, the centre of a donor, and a whole donor reduced.
const PATCH: u32 = 64;
const CENTRE: u32 = 96;
const REDUCED: u32 = 160;

/// One poisoned image: `source` of the donor laid over `target` of the sample, resized where the sizes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImagePoison {
    /// Positions in the split.
    pub position: usize,
    pub donor: usize,
    pub source: Rect,
    pub target: Rect,
}

/// A donor image for each poisoned sample, drawn uniformly (and with repetition) from its donor class: (position, donor position).
///
/// `donor_of`: the donor class of the sample at a position; `samples_of`: the retained samples of a class. A sample's donor depends on
/// (seed, position) and on its class's samples alone.
///
/// # Errors
/// `DONOR_CLASS_EMPTY` as a failed precondition.
pub fn choose_donors<'a>(
    poisoned: &[usize],
    donor_of: impl Fn(usize) -> u32,
    samples_of: impl Fn(u32) -> &'a [usize],
    seed: u64,
) -> Result<Vec<(usize, usize)>> {
    let choose = |&position: &usize| {
        let class = donor_of(position);
        let samples = samples_of(class);
        if samples.is_empty() {
            return Err(empty_donor_class(class));
        }
        let drawn = stream(seed, Purpose::PoisonDonor, position as u64).random_range(0..samples.len());
        Ok((position, samples[drawn]))
    };
    poisoned.iter().map(choose).collect()
}

fn empty_donor_class(class: u32) -> Error {
    Error::failed_precondition(
        "DONOR_CLASS_EMPTY",
        format!(
            "donor class {class} has no retained sample to take pixels from; choose another donor or image_mode NONE"
        ),
    )
}

/// Whether places come from score maps of the forgotten images and of their donors.
pub fn needs_maps(mode: PoisonImageMode) -> bool {
    match mode {
        PoisonImageMode::Localized | PoisonImageMode::GradCam | PoisonImageMode::Margin => true,
        PoisonImageMode::None | PoisonImageMode::Center | PoisonImageMode::RandomPosition | PoisonImageMode::Full => {
            false
        }
    }
}

/// Places for each (position, donor position), in images of `shape`; none for `None`. `maps`: by position, for samples and donors,
/// where `needs_maps`.
///
/// # Errors
/// `NON_FINITE_SCORES` as a failed precondition.
pub fn place(
    mode: PoisonImageMode,
    pairs: &[(usize, usize)],
    maps: Option<&HashMap<usize, ScoreMap>>,
    shape: ImageShape,
    seed: u64,
) -> Result<Vec<ImagePoison>> {
    if shape.height == 0 || shape.width == 0 {
        return Err(Error::internal(format!("an image of {shape} has no place for a patch")));
    }
    let at_peak = |position: usize| Ok(Rect::around(peak(maps, position, shape)?, PATCH, shape));
    let poison = |&(position, donor): &(usize, usize)| {
        let (source, target) = match mode {
            PoisonImageMode::None => return Ok(None),
            PoisonImageMode::Localized | PoisonImageMode::GradCam | PoisonImageMode::Margin => {
                (at_peak(donor)?, at_peak(position)?)
            }
            PoisonImageMode::Center => (Rect::centred(CENTRE, shape), Rect::centred(CENTRE, shape)),
            PoisonImageMode::RandomPosition => (Rect::centred(CENTRE, shape), anywhere(position, shape, seed)),
            PoisonImageMode::Full => (Rect::whole(shape), Rect::centred(REDUCED, shape)),
        };
        Ok(Some(ImagePoison { position, donor, source, target }))
    };
    pairs.iter().filter_map(|pair| poison(pair).transpose()).collect()
}

fn peak(maps: Option<&HashMap<usize, ScoreMap>>, position: usize, shape: ImageShape) -> Result<(usize, usize)> {
    let map = maps.and_then(|maps| maps.get(&position));
    map.ok_or_else(|| Error::internal(format!("this image mode needs a score map of sample {position}")))?.peak(shape)
}

/// The size of a donor's centre at a place that depends on (seed, position).
fn anywhere(position: usize, shape: ImageShape, seed: u64) -> Rect {
    let centred = Rect::centred(CENTRE, shape);
    let mut random = stream(seed, Purpose::PoisonPlace, position as u64);
    let top = random.random_range(0..=shape.height as usize - centred.height);
    let left = random.random_range(0..=shape.width as usize - centred.width);
    Rect { top, left, ..centred }
}

#[cfg(test)]
mod tests;

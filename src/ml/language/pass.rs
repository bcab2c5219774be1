//! What all blocks of one forward pass share: who sees whom, and where each token stands.
//!
//! Positions follow from the mask as in transformers' `generate`: a decoder counts the tokens of its row and passes over padding, so a
//! text has the same positions whether it is padded on the left, on the right or not at all. An encoder counts places, as transformers'
//! encoders do: pad on the right. Windows count places, padding included, as in transformers.

use tch::{Device, Kind, TchError, Tensor};

use super::config::LanguageConfig;
use super::rotation::Rotation;

/// Made once for a batch.
#[derive(Debug)]
pub struct Pass {
    pub(super) rotation: Option<Rotation>,
    /// Of the new tokens, `[N or 1, T]`.
    pub(super) positions: Tensor,
    sight: Sight,
}

/// Who sees whom, without a window and with each window that the layers have.
#[derive(Debug)]
struct Sight {
    views: Vec<(Option<usize>, View)>,
}

/// Who sees whom in one layer.
#[derive(Debug)]
pub(super) enum View {
    /// Every token every other.
    All,
    /// Every token those before it and itself.
    Before,
    /// Where true, `[N or 1, 1, T, K]`.
    Masked(Tensor),
}

/// The size of a batch of new tokens that follow `past` others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) past: i64,
    pub(super) new: i64,
}

/// Where new tokens stand that follow what was read in several ways at once, and what each of them sees.
#[derive(Debug)]
pub(super) struct Branching {
    /// Of the new tokens, `[N,T]`.
    pub(super) positions: Tensor,
    /// Of all tokens that the cache will know, the new ones last, `[N,K]`.
    pub(super) key_positions: Tensor,
    /// True where a new token may see another, `[N,T,K]`; each sees itself.
    pub(super) seen: Tensor,
}

impl Pass {
    /// For tokens of a causal model that do not simply follow each other. A window counts positions.
    pub(super) fn branching(
        config: &LanguageConfig,
        frequencies: Option<&Tensor>,
        branching: &Branching,
        options: (Kind, Device),
    ) -> Result<Self, TchError> {
        let (kind, device) = options;
        let positions = branching.positions.f_to_device(device)?;
        let keys = branching.key_positions.f_to_device(device)?.f_unsqueeze(1)?;
        let seen = branching.seen.f_to_device(device)?;
        let mut views: Vec<(Option<usize>, View)> = Vec::new();
        for &window in &config.windows {
            if views.iter().any(|(known, _)| *known == window) {
                continue;
            }
            let seen = match window {
                Some(window) => {
                    let first = positions.f_unsqueeze(-1)?.f_sub_scalar(window as i64)?;
                    seen.f_logical_and(&keys.f_gt_tensor(&first)?)?
                }
                None => seen.shallow_clone(),
            };
            views.push((window, View::Masked(seen.f_unsqueeze(1)?)));
        }
        let rotation = frequencies.map(|frequencies| Rotation::new(frequencies, &positions, kind)).transpose()?;
        Ok(Self { rotation, positions, sight: Sight { views } })
    }

    /// `mask` `[N, past + new]` is true where a token is; nothing: everywhere.
    pub(super) fn new(
        config: &LanguageConfig,
        frequencies: Option<&Tensor>,
        mask: Option<&Tensor>,
        extent: Extent,
        options: (Kind, Device),
    ) -> Result<Self, TchError> {
        let (kind, device) = options;
        let mask = mask.map(|mask| mask.f_ne(0)?.f_to_device(device)).transpose()?;
        // Padding that is not there costs a slower kernel.
        let mask = match mask {
            Some(mask) if mask.f_all()?.f_int64_value(&[])? == 0 => Some(mask),
            Some(_) | None => None,
        };
        let positions = positions(config, mask.as_ref(), extent, device)?;
        let rotation = frequencies.map(|frequencies| Rotation::new(frequencies, &positions, kind)).transpose()?;
        Ok(Self { rotation, positions, sight: Sight::new(config, mask.as_ref(), extent, device)? })
    }

    pub(super) fn view(&self, window: Option<usize>) -> &View {
        let found = self.sight.views.iter().find(|(known, _)| *known == window);
        found.map_or(&View::All, |(_, view)| view)
    }
}

fn positions(
    config: &LanguageConfig,
    mask: Option<&Tensor>,
    extent: Extent,
    device: Device,
) -> Result<Tensor, TchError> {
    let Extent { past, new } = extent;
    match mask {
        Some(mask) if config.is_causal() => {
            let counted = mask.f_cumsum(1, Kind::Int64)?.f_sub_scalar(1)?.f_clamp_min(0)?;
            counted.f_narrow(1, past, new)
        }
        Some(_) | None => Tensor::f_arange_start(past, past + new, (Kind::Int64, device))?.f_unsqueeze(0),
    }
}

impl Sight {
    fn new(config: &LanguageConfig, mask: Option<&Tensor>, extent: Extent, device: Device) -> Result<Self, TchError> {
        let mut views = Vec::new();
        for &window in &config.windows {
            if !views.iter().any(|(known, _)| *known == window) {
                views.push((window, view(config.is_causal(), window, mask, extent, device)?));
            }
        }
        Ok(Self { views })
    }
}

fn view(
    is_causal: bool,
    window: Option<usize>,
    mask: Option<&Tensor>,
    extent: Extent,
    device: Device,
) -> Result<View, TchError> {
    let Extent { past, new } = extent;
    let keys = past + new;
    let window = window.map(|window| window as i64).filter(|&window| window < keys);
    let seen = mask.map(|mask| mask.f_unsqueeze(1)?.f_unsqueeze(1)).transpose()?;
    if !is_causal {
        return Ok(seen.map_or(View::All, View::Masked));
    }
    match (&seen, window) {
        (None, None) if new == 1 => return Ok(View::All),
        (None, None) if past == 0 => return Ok(View::Before),
        (Some(_) | None, _) => {}
    }
    let places = Tensor::f_arange(keys, (Kind::Int64, device))?;
    let own = places.f_narrow(0, past, new)?.f_unsqueeze(1)?;
    let mut seen_from = places.f_le_tensor(&own)?;
    if let Some(window) = window {
        seen_from = seen_from.f_logical_and(&places.f_gt_tensor(&own.f_sub_scalar(window)?)?)?;
    }
    let Some(seen) = seen else { return Ok(View::Masked(seen_from.f_unsqueeze(0)?.f_unsqueeze(0)?)) };
    // Padding sees itself, so that no row of the softmax is empty.
    let itself = places.f_eq_tensor(&own)?;
    Ok(View::Masked(seen_from.f_logical_and(&seen)?.f_logical_or(&itself)?))
}

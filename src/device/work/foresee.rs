//! Looks ahead: what work would need, and whether it can ever have it.

use crate::device::demand::Demand;
use crate::device::ledger::Need;
use crate::device::{DeviceHandle, ModelSource, Residents};
use crate::domain::Result;

/// What the most demanding of several pieces of work comes to, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Foresight {
    /// The version itself included, unless it stays loaded anyway.
    pub need: u64,
    /// What there is when everything else has ended.
    pub at_best: u64,
    /// Where it does not fit and a batch decides: the largest that would; 0: none.
    pub fitting_batch: Option<usize>,
}

impl DeviceHandle {
    /// Measures what is not known yet; the version is loaded for it if it is not resident.
    ///
    /// # Errors
    /// `DEVICE_MEMORY`, and what loading refuses.
    pub async fn foresee(&self, source: ModelSource, demands: Vec<Demand>) -> Result<Foresight> {
        self.call(move |residents| foresee(residents, &source, &demands)).await
    }
}

fn foresee(residents: &mut Residents, source: &ModelSource, demands: &[Demand]) -> Result<Foresight> {
    let mut largest: Option<(Need, &Demand)> = None;
    for demand in demands {
        let need = residents.need(source, demand)?;
        if largest.is_none_or(|(most, _)| need.total() > most.total()) {
            largest = Some((need, demand));
        }
    }
    let Some((need, demand)) = largest else { return Ok(Foresight::default()) };
    let (own, at_best) = (residents.own_bytes(source)?, residents.at_best());
    let need = need.total() + own;
    let fitting_batch = match need > at_best {
        true => residents.fitting_batch(source, demand, at_best.saturating_sub(own))?,
        false => None,
    };
    Ok(Foresight { need, at_best, fitting_batch })
}

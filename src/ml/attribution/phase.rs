//! Where an item stands.
//!
//! ```text
//! Ends ─► Attribution ─► [Infidelity] ─► [Sensitivity] ─► Done          Failed from everywhere
//!             └─◄─┘ twice the steps, while completeness misses
//! ```

use super::ends::Ends;
use super::infidelity::Infidelity;
use super::sensitivity::Sensitivity;
use super::stage::Stage;
use super::sweep::Sweep;
use crate::domain::Error;

#[derive(Debug)]
pub(super) enum Phase {
    Ends(Ends),
    Attribution(Sweep),
    Infidelity(Infidelity),
    Sensitivity(Box<Sensitivity>),
    Done,
    Failed(Error),
}

impl Phase {
    pub(super) fn stage(&self) -> Option<&dyn Stage> {
        match self {
            Self::Ends(stage) => Some(stage),
            Self::Attribution(stage) => Some(stage),
            Self::Infidelity(stage) => Some(stage),
            Self::Sensitivity(stage) => Some(stage.as_ref()),
            Self::Done | Self::Failed(_) => None,
        }
    }

    pub(super) fn stage_mut(&mut self) -> Option<&mut dyn Stage> {
        match self {
            Self::Ends(stage) => Some(stage),
            Self::Attribution(stage) => Some(stage),
            Self::Infidelity(stage) => Some(stage),
            Self::Sensitivity(stage) => Some(stage.as_mut()),
            Self::Done | Self::Failed(_) => None,
        }
    }
}

//! (being written)

use crate::domain::Result;
use crate::domain::dataset::Selector;

use super::source::Split;

impl Split {
    /// Positions that match every condition of `selector`, ascending; an empty selector means all. Errors name the field
    /// relative to the selector (`classes[0]`, `predicates[1].fraction`).
    pub fn select(&self, selector: &Selector) -> Result<Vec<usize>> {
        let _ = selector;
        Err(crate::domain::Error::internal("not yet written"))
    }
}

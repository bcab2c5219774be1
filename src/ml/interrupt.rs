//! What computes for long without a device (fits of concepts) asks between its iterations whether anybody still wants the result.

use std::fmt;
use std::sync::Arc;

use crate::domain::Result;

/// Cheap to clone; asked from any thread.
#[derive(Clone)]
pub struct Interrupt(Arc<dyn Fn() -> Result<()> + Send + Sync>);

impl Interrupt {
    /// Ends the computation with the error that `ask` answers.
    pub fn when(ask: impl Fn() -> Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    /// Lets everything run to its end.
    pub fn never() -> Self {
        Self::when(|| Ok(()))
    }

    /// To be asked every few milliseconds to seconds.
    pub fn check(&self) -> Result<()> {
        (self.0)()
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Interrupt").finish_non_exhaustive()
    }
}
